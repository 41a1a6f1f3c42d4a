defmodule PythonxPort.OtherBEAM do
  @moduledoc false
  # Another BEAM with this library, which a test can kill.

  @doc "Starts it. The script gets a session as `session`; what it prints comes as lines from the port."
  @spec start(String.t()) :: port()
  def start(script) do
    start = """
    {:ok, _apps} = Application.ensure_all_started(:pythonx_port)
    session = PythonxPort.start_session()
    """

    Port.open({:spawn_executable, System.find_executable("elixir")}, [
      :binary,
      :exit_status,
      line: 1000,
      args: ["-pa", Application.app_dir(:pythonx_port, "ebin"), "-e", start <> script]
    ])
  end

  @doc """
  Starts it as a node that others may connect to, with a script of its own. It ends with the test: its input does.
  """
  @spec start_node(node(), String.t()) :: port()
  def start_node(name, script) do
    script = """
    spawn(fn -> :eof = IO.read(:line); System.halt(0) end)
    {:ok, _apps} = Application.ensure_all_started(:pythonx_port)
    #{script}
    IO.read(:line)
    """

    Port.open({:spawn_executable, System.find_executable("elixir")}, [
      :binary,
      :exit_status,
      line: 10_000,
      args:
        ["--name", Atom.to_string(name), "--cookie", "pythonx_port_test"] ++
          ["-pa", Application.app_dir(:pythonx_port, "ebin"), "-e", script]
    ])
  end

  @doc "Waits for its next line."
  @spec await_line(port()) :: String.t()
  def await_line(beam) do
    receive do
      {^beam, {:data, {:eol, line}}} -> line
      {^beam, {:exit_status, status}} -> ExUnit.Assertions.flunk("the other BEAM ended with status #{status}")
    after
      30_000 -> ExUnit.Assertions.flunk("the other BEAM printed no line")
    end
  end

  @doc "Waits for the line with its own OS pid and another one, and returns both."
  @spec await_pids(port()) :: {pos_integer(), pos_integer()}
  def await_pids(beam) do
    receive do
      {^beam, {:data, {:eol, line}}} ->
        [beam_pid, other] = line |> String.split() |> Enum.map(&String.to_integer/1)
        {beam_pid, other}
    after
      PythonxPort.TimeFactor.stretch(10_000) -> ExUnit.Assertions.flunk("the other BEAM printed no pids")
    end
  end
end
