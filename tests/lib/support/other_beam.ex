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

  @doc "Waits for the line with its own OS pid and another one, and returns both."
  @spec await_pids(port()) :: {pos_integer(), pos_integer()}
  def await_pids(beam) do
    receive do
      {^beam, {:data, {:eol, line}}} ->
        [beam_pid, other] = line |> String.split() |> Enum.map(&String.to_integer/1)
        {beam_pid, other}
    after
      10_000 -> ExUnit.Assertions.flunk("the other BEAM printed no pids")
    end
  end
end
