defmodule PythonxPort.Gate do
  @moduledoc false
  # A file that Python code waits for, so that a test decides when a request ends. Waiting does not depend on how fast
  # the machine is.

  @doc "A gate that is closed until `open/1`; removed at the end of the test."
  @spec new() :: Path.t()
  def new do
    name = "pythonx_port-gate-#{System.pid()}-#{System.unique_integer([:positive])}"
    path = Path.join(System.tmp_dir!(), name)
    ExUnit.Callbacks.on_exit(fn -> File.rm(path) end)
    path
  end

  @spec open(Path.t()) :: :ok
  def open(path), do: File.touch!(path)

  @doc "Code that waits for a gate."
  @spec wait(Path.t()) :: String.t()
  def wait(path) do
    """
    import os, time
    while not os.path.exists(#{inspect(path)}): time.sleep(0.002)
    """
  end
end
