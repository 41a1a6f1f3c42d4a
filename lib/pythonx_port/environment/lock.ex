defmodule PythonxPort.Environment.Lock do
  @moduledoc false
  # Runs a function while no other process has the lock, on any node of the host. The port program holds the lock for
  # the calling process, and releases it when that process, or the whole BEAM, has ended.

  alias PythonxPort.Error
  alias PythonxPort.PortProgram.Executable

  # After so many milliseconds, a person wants to know what is going on.
  @soon 1_000

  @doc "Runs `function` under the lock; calls `waiting` once if it takes long to get it."
  @spec run(Path.t(), (... -> any()), (... -> {:ok, value} | {:error, Error.t()})) ::
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

  # The port program may have ended on its own; its messages are of no use to the caller.
  defp close(port) do
    Process.unlink(port)
    if Port.info(port), do: Port.close(port)
    flush(port)
  rescue
    # The port has just closed.
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
