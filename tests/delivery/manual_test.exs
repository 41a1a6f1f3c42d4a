defmodule PythonxPort.ManualTest do
  # The manual page says what the program's own help says.
  use ExUnit.Case, async: true

  import PythonxPort.Scratch

  @page Path.expand("../../port/pythonx_port.1", __DIR__)

  setup_all do
    program = Path.join(root(), "build/pythonx_port")
    %{help: run!("'#{program}' --help", cd: root()), page: File.read!(@page)}
  end

  test "options and what they take", %{help: help, page: page} do
    in_help = Regex.scan(~r/(?<=  |, )--([a-z-]+)(?: ([A-Z,]+))?/, help, capture: :all_but_first)
    in_page = Regex.scan(~r/^\.It Fl -([a-z-]+)(?: Ar ([A-Z,]+))?$/m, page, capture: :all_but_first)

    assert length(in_help) > 5
    assert in_page == in_help
  end

  test "defaults", %{help: help, page: page} do
    defaults = Regex.scan(~r/^  --([a-z-]+) .* \((\d+)\)$/m, help, capture: :all_but_first)

    assert length(defaults) > 3

    assert Regex.scan(~r/^\.It Fl -([a-z-]+)[^\n]*\n(?:[^.].*\n)*?The default is (\d+)\.$/m, page,
             capture: :all_but_first
           ) == defaults
  end

  test "commands", %{help: help, page: page} do
    in_help = Regex.scan(~r/^ {7}pythonx_port ([a-z]+)/m, help, capture: :all_but_first)
    in_page = Regex.scan(~r/^\.It Cm ([a-z]+)$/m, page, capture: :all_but_first)

    assert [_ | _] = in_help
    assert in_page == in_help
  end

  @tag :mandoc
  test "the page is well-formed" do
    # Whether other pages are on this machine is no matter of this one.
    lint = run!("mandoc -T lint -W style '#{@page}' || true", cd: root())
    others = ~r/mandoc\.db|referenced manual not found/
    assert for(line <- String.split(lint, "\n", trim: true), not (line =~ others), do: line) == []
  end
end
