# The same work in a session and in another system, one right after the other. Run by run.py with the path of a file that
# defines the module Peer (guides/development.md says what it must have); prints a line for each round: name, the
# port's seconds and the peer's, between tabs.

defmodule BesidePeer do
  @mib 1024 * 1024

  def run([file]) do
    Code.require_file(file)
    python = System.fetch_env!("PYTHONX_PYTHON")

    ours = %{
      start: fn -> PythonxPort.start_session(python: python) end,
      eval: &PythonxPort.eval!(&1, &2, bindings: &3),
      stop: &PythonxPort.stop_session/1
    }

    # The module is known once its file has run.
    peer = %{
      start: fn -> apply(Peer, :start, [python]) end,
      eval: &apply(Peer, :eval, [&1, &2, &3]),
      stop: &apply(Peer, :stop, [&1])
    }

    starts(ours, peer)
    sessions = for system <- [ours, peer], do: {system, system.start.()}

    for {name, rounds, count, code, bindings} <- rows(),
        do: row(name, rounds, count, code, bindings, sessions)

    callers(sessions)
    for {system, session} <- sessions, do: system.stop.(session)
  end

  defp rows do
    maps =
      for n <- 1..1_000, do: %{"id" => n, "name" => "number #{n}", "share" => n / 7, "even" => rem(n, 2) == 0}

    job = "sum(i * i % 7 for i in range(1_000_000))"

    [
      {"eval 1+1", 20, 500, "1 + 1", []},
      {"eval with a binding", 20, 500, "x + 1", [x: 1]},
      {"1,000 maps there and back", 20, 5, "x", [x: maps]},
      {"100,000 floats there and back", 10, 1, "x", [x: Enum.map(1..100_000, &(&1 / 3))]},
      {"100,000 small ints there and back", 10, 1, "x", [x: Enum.map(1..100_000, &rem(&1, 100))]},
      {"128 MiB of bytes in", 5, 1, "len(x)", [x: :binary.copy("x", 128 * @mib)]},
      {"a job of pure Python", 10, 1, job, []}
    ]
  end

  defp row(name, rounds, count, code, bindings, sessions) do
    runs = for {system, session} <- sessions, do: fn -> system.eval.(session, code, bindings) end
    [value, value] = for run <- runs, do: run.()

    for _round <- 1..rounds do
      [ours, peer] = for run <- runs, do: time(fn -> for(_ <- 1..count, do: run.()) end) / count
      line(name, ours, peer)
    end
  end

  defp starts(ours, peer) do
    run = fn system ->
      time(fn ->
        session = system.start.()
        2 = system.eval.(session, "1 + 1", [])
        system.stop.(session)
      end)
    end

    for _round <- 1..10, do: line("start, eval 1+1, stop", run.(ours), run.(peer))
  end

  defp callers(sessions) do
    run = fn {system, session} ->
      often = fn -> for(_ <- 1..250, do: system.eval.(session, "1 + 1", [])) end
      time(fn -> 1..16 |> Enum.map(fn _ -> Task.async(often) end) |> Task.await_many(:infinity) end) / 4_000
    end

    for _round <- 1..10 do
      [ours, peer] = Enum.map(sessions, run)
      line("16 callers, each eval", ours, peer)
    end
  end

  defp time(fun) do
    :erlang.garbage_collect()
    started = System.monotonic_time()
    fun.()
    System.convert_time_unit(System.monotonic_time() - started, :native, :nanosecond) * 1.0e-9
  end

  defp line(name, ours, peer), do: IO.puts("#{name}\t#{ours}\t#{peer}")
end

BesidePeer.run(System.argv())
