defmodule PythonxPort.Startup do
  @moduledoc false
  # From an open port to a session that is ready: waits for the ready event, then runs the init code. Runs in the
  # session's process, which handles nothing else meanwhile, so that no request can overtake the init code.

  alias PythonxPort.{Code, Crash, Error, Launcher, Output, Protocol, SessionOptions}

  @protocol 1

  @spec run(port(), SessionOptions.t(), Path.t() | nil) :: :ok | {:error, Error.t()}
  def run(port, options, crash_file) do
    deadline = deadline(options.init_timeout)

    with :ok <- await_ready(port, options, deadline) do
      run_init(port, options, crash_file, deadline)
    end
  end

  defp await_ready(port, options, deadline) do
    case next(port, deadline) do
      {:event, {:ready, %{protocol: @protocol}}} ->
        :ok

      {:event, {:ready, ready}} ->
        {:error, start_failed("the port program speaks another version of the protocol: #{inspect(ready)}")}

      {:exit, exit} ->
        {:error, Launcher.ended_early(options, exit)}

      :timeout ->
        {:error, timed_out(options)}

      {_kind, message, _frame} ->
        {:error, start_failed("the port program did not begin with a ready event, but with #{inspect(message)}")}
    end
  end

  defp run_init(port, options, crash_file, deadline) do
    options.init
    |> Enum.with_index()
    |> Enum.reduce_while(:ok, fn {code, id}, :ok ->
      send_init(port, id, code)

      case await_reply(port, options, crash_file, deadline) do
        {:ok, _value} -> {:cont, :ok}
        {:error, error} -> {:halt, {:error, error}}
      end
    end)
  end

  defp send_init(port, id, code) do
    {source, place} = init_code(code)
    Port.command(port, Protocol.request(:exec, id, Protocol.body([source, place])))
  rescue
    # The port is closed: why is in a message that is read next.
    ArgumentError -> false
  end

  defp init_code(%Code{source: source, file: file, line: line}) do
    {source, %{file: file || "<init>", line: line || 1}}
  end

  defp init_code(source), do: {source, %{file: "<init>"}}

  defp await_reply(port, options, crash_file, deadline) do
    case next(port, deadline) do
      {:reply, _id, frame} ->
        Protocol.result(frame)

      {:event, {:output, _id, stream, text}} ->
        Output.deliver(options.output, stream, text)
        await_reply(port, options, crash_file, deadline)

      {:event, _other} ->
        await_reply(port, options, crash_file, deadline)

      {:exit, exit} ->
        {:error, Crash.error(exit, crash_file)}

      :timeout ->
        {:error, timed_out(options)}
    end
  end

  defp next(port, deadline) do
    receive do
      {^port, {:data, frame}} -> read(frame)
      {^port, {:exit_status, status}} -> {:exit, status}
      {:EXIT, ^port, reason} -> {:exit, {:closed, reason}}
      {:EXIT, _pid, reason} -> exit(reason)
    after
      left(deadline) -> :timeout
    end
  end

  defp read(frame) do
    case Protocol.read(frame) do
      {:reply, id} -> {:reply, id, frame}
      {:event, event} -> {:event, event}
    end
  end

  defp deadline(:infinity), do: :infinity
  defp deadline(timeout), do: System.monotonic_time(:millisecond) + timeout

  defp left(:infinity), do: :infinity
  defp left(deadline), do: max(deadline - System.monotonic_time(:millisecond), 0)

  defp start_failed(message), do: %Error{kind: :start_failed, message: message}

  defp timed_out(options) do
    %Error{kind: :timeout, message: "the session was not ready within #{options.init_timeout} ms"}
  end
end
