defmodule PythonxPort.AllowTest do
  use ExUnit.Case, async: true

  alias PythonxPort.Allow

  test "names are those of Elixir and Erlang, as atoms or as strings" do
    for {name, atom} <- [
          {"Enum", Enum},
          {"Elixir.Enum", Enum},
          {Enum, Enum},
          {"lists", :lists},
          {:lists, :lists},
          {"Elixir.PythonxPort.Error", PythonxPort.Error}
        ],
        do: assert(Allow.atom(name) == {:ok, atom})
  end

  test "strings are made into no atoms" do
    for name <- [
          "Never.Seen.#{System.pid()}",
          "never_seen_#{System.pid()}",
          String.duplicate("x", 300),
          <<255>>
        ],
        do: assert(Allow.atom(name) == :error)
  end

  test "names are shown as they are written" do
    shown = for name <- [Enum, "Enum", "Elixir.Enum", :lists, "lists"], do: Allow.shown(name)
    assert shown == ["Enum", "Enum", "Enum", ":lists", ":lists"]
  end

  test "what is allowed to be called is not allowed to be sent to, nor the other way" do
    {:ok, allow} = Allow.new([{:send, :logger}, {:lists, :sum}])
    assert Allow.send?(allow, :logger)
    refute Allow.call?(allow, :send, :logger, 1)
    assert Allow.call?(allow, :lists, :sum, 1)
    refute Allow.send?(allow, :lists)
  end
end
