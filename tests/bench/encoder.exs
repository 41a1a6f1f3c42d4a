# Measures what PythonxPort.Encoder costs requests with values that have no structs:
#   MIX_ENV=test PYTHONX_PORT_SKIP_MAKE=1 mix run tests/bench/encoder.exs
#
# Each round times a request while the application has no implementation, and while it has one, in turn; the figures
# are medians, in microseconds.

alias PythonxPort.Encoder

defmodule Money do
  @derive Encoder
  defstruct [:cents]
end

rounds = 60
session = PythonxPort.start_session()
{Encoder, plain, file} = :code.get_object_code(Encoder)

load = fn bytes ->
  :code.purge(Encoder)
  {:module, Encoder} = :code.load_binary(Encoder, file, bytes)
end

load.(plain)
{:ok, without} = Protocol.consolidate(Encoder, [])
{:ok, with_one} = Protocol.consolidate(Encoder, [Money])

values = [
  {"one integer", 1, 200},
  {"100,000 integers", Enum.to_list(1..100_000), 1},
  {"100,000 small maps", for(n <- 1..100_000, do: %{"id" => n, "name" => "n"}), 1},
  {"100,000 words", for(n <- 1..100_000, do: "word #{n}"), 1},
  {"a binary of 400 KiB", :binary.copy("x", 400 * 1024), 5},
  {"1,000 dates", for(n <- 1..1_000, do: Date.add(~D[2024-01-01], n)), 1}
]

median = fn times -> times |> Enum.sort() |> Enum.at(div(length(times), 2)) end

measure = fn value, count ->
  {time, _result} =
    :timer.tc(fn -> for _ <- 1..count, do: {:ok, _} = PythonxPort.call(session, "callable", [value]) end)

  time / count
end

for {name, value, count} <- values do
  measure.(value, count)

  {none, one} =
    for _round <- 1..rounds do
      load.(without)
      none = measure.(value, count)
      load.(with_one)
      {none, measure.(value, count)}
    end
    |> Enum.unzip()

  {none, one} = {median.(none), median.(one)}
  ratio = :erlang.float_to_binary(one / none, decimals: 3)

  IO.puts(
    "#{String.pad_trailing(name, 22)} #{round(none)} without, #{round(one)} with an implementation: #{ratio}"
  )
end
