defmodule PythonxPort.Callback.AllowlistTest do
  use ExUnit.Case, async: true

  alias PythonxPort.Callback.Allowlist

  test "names are those of Elixir and Erlang, as atoms or as strings" do
    for {name, atom} <- [
          {"Enum", Enum},
          {"Elixir.Enum", Enum},
          {Enum, Enum},
          {"lists", :lists},
          {:lists, :lists},
          {"Elixir.PythonxPort.Error", PythonxPort.Error}
        ],
        do: assert(Allowlist.atom(name) == {:ok, atom})
  end

  test "strings are made into no atoms" do
    for name <- [
          "Never.Seen.#{System.pid()}",
          "never_seen_#{System.pid()}",
          String.duplicate("x", 300),
          <<255>>
        ],
        do: assert(Allowlist.atom(name) == :error)
  end

  test "names are shown as they are written" do
    shown = for name <- [Enum, "Enum", "Elixir.Enum", :lists, "lists"], do: Allowlist.shown(name)
    assert shown == ["Enum", "Enum", "Enum", ":lists", ":lists"]
  end

  test "what is allowed to be called is not allowed to be sent to, nor the other way" do
    {:ok, allow} = Allowlist.new([{:send, :logger}, {:lists, :sum}])
    assert Allowlist.send?(allow, :logger)
    refute Allowlist.call?(allow, :send, :logger, 1)
    assert Allowlist.call?(allow, :lists, :sum, 1)
    refute Allowlist.send?(allow, :lists)
  end
end
