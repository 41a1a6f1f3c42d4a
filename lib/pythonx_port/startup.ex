defmodule PythonxPort.Startup do
  @moduledoc false
  # From an open port to a session that is ready: waits for the ready event, then runs the init code. Runs in the
  # session's process, which handles nothing else meanwhile, so that no request can overtake the init code.

  alias PythonxPort.{Code, Crash, Error, Launcher, Output, Protocol, SessionOptions}

  @protocol 1

  @enforce_keys [:port, :options, :crash_file, :owner, :deadline]
  defstruct @enforce_keys

  @doc "Gives what the ready event says. `owner` is the monitor of the process that the session is for, where there is one."
  @spec run(port(), SessionOptions.t(), Path.t() | nil, reference() | nil) ::
          {:ok, map()} | {:error, Error.t()}
  def run(port, options, crash_file, owner) do
    start = %__MODULE__{
      port: port,
      options: options,
      crash_file: crash_file,
      owner: owner,
      deadline: deadline(options.init_timeout)
    }

    with {:ok, ready} <- await_ready(start),
         :ok <- run_init(start),
         do: {:ok, ready}
  end

  defp await_ready(%{options: options} = start) do
    case next(start) do
      {:event, {:ready, %{protocol: @protocol} = ready}} ->
        {:ok, ready}

      {:event, {:ready, ready}} ->
        {:error, start_failed("the port program speaks another version of the protocol: #{inspect(ready)}")}

      {:event, {:output, _id, stream, text}} ->
        # Such as a warning of a module that Python imports by itself (sitecustomize).
        Output.deliver(options.output, stream, text)
        await_ready(start)

      {:exit, exit} ->
        {:error, Launcher.ended_early(options, exit)}

      :timeout ->
        {:error, timed_out(start)}

      other ->
        {:error,
         start_failed("the port program did not begin with a ready event, but with #{inspect(other)}")}
    end
  end

  defp run_init(start) do
    start.options.init
    |> Enum.with_index(1)
    |> Enum.reduce_while(:ok, fn {code, number}, :ok ->
      send_init(start.port, number, code)

      case await_reply(start) do
        {:ok, _value} -> {:cont, :ok}
        {:error, error} -> {:halt, {:error, error}}
      end
    end)
  end

  defp send_init(port, number, code) do
    {source, place} = Code.split(code)
    place = Map.merge(%{file: "<init #{number}>"}, Map.new(place))
    Port.command(port, Protocol.request(:exec, number, Protocol.body([source, place])))
  rescue
    # The port is closed: why is in a message that is read next.
    ArgumentError -> false
  end

  defp await_reply(start) do
    case next(start) do
      {:reply, _id, frame} ->
        Protocol.result(frame)

      {:event, {:output, _id, stream, text}} ->
        Output.deliver(start.options.output, stream, text)
        await_reply(start)

      {:event, _other} ->
        await_reply(start)

      {:exit, exit} ->
        {:error, Crash.error(exit, start.crash_file)}

      :timeout ->
        {:error, timed_out(start)}
    end
  end

  defp next(%{port: port, owner: owner, deadline: deadline}) do
    receive do
      {^port, {:data, frame}} -> read(frame)
      {^port, {:exit_status, status}} -> {:exit, status}
      {:EXIT, ^port, reason} -> {:exit, {:closed, reason}}
      # The supervisor wants this process to end; or its owner has ended.
      {:EXIT, _pid, reason} -> exit(reason)
      {:DOWN, ^owner, :process, _pid, _reason} -> exit(:normal)
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

  # What has not become ready may not look at its input either.
  defp timed_out(start) do
    Launcher.kill(start.port)
    %Error{kind: :timeout, message: "the session was not ready within #{start.options.init_timeout} ms"}
  end
end
