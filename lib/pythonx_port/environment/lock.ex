defmodule PythonxPort.Environment.Lock do
  @moduledoc false
  # Runs a function while no other process has the lock, on any node of the host. The port program holds it for the
  # calling process, and lets go of it when that process, or the whole BEAM, is gone.

  alias PythonxPort.Error
  alias PythonxPort.PortProgram.Executable

  # After that, a person wants to know what is going on.
  @soon 1_000

  @doc "`waiting` is called once where the lock is not to be had soon."
  @spec run(Path.t(), (() -> any()), (() -> {:ok, value} | {:error, Error.t()})) ::
          {:ok, value} | {:error, Error.t()}
        when value: term()
  def run(path, waiting, function) do
    with {:ok, executable} <- Executable.find() do
      port =
        Port.open({:spawn_executable, executable}, [
          :binary,
          :exit_status,
          :hide,
          :stderr_to_stdout,
          line: 4_096,
          args: ["lock", path]
        ])

      try do
        with :ok <- await(port, path, waiting), do: function.()
      after
        close(port)
      end
    end
  end

  defp await(port, path, waiting) do
    receive do
      {^port, message} -> locked(message, path)
    after
      @soon ->
        waiting.()

        receive do
          {^port, message} -> locked(message, path)
        end
    end
  end

  defp locked({:data, {:eol, "locked"}}, _path), do: :ok

  defp locked(other, path) do
    text = with {:data, {_eol, line}} <- other, do: line
    {:error, %Error{kind: :environment_failed, message: "#{path} could not be locked: #{inspect(text)}"}}
  end

  # The lock's process may have ended by itself; what it said is nobody's message.
  defp close(port) do
    Process.unlink(port)
    if Port.info(port), do: Port.close(port)
    flush(port)
  rescue
    # It has closed just now.
    ArgumentError -> flush(port)
  end

  defp flush(port) do
    receive do
      {^port, _message} -> flush(port)
      {:EXIT, ^port, _reason} -> flush(port)
    after
      0 -> :ok
    end
  end
end
