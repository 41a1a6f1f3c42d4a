defmodule PythonxPort.Session.Startup do
  @moduledoc false
  # From an open port to a session that is ready: waits for the ready event, then runs the init code. Runs in the
  # session's process, which handles no requests meanwhile, so that none can overtake the init code.

  alias PythonxPort.{Callback, Code, Error, PortProgram, Protocol}
  alias PythonxPort.Session.{Events, Options}

  @protocol 1

  @enforce_keys [:port, :options, :crash_file, :oom_counter, :owner, :deadline, :invocations]
  defstruct @enforce_keys

  @doc """
  Gives what the ready event says, the count of what the kernel kills, and the calls that Python has made and that have
  no answer yet. `owner` is the monitor of the process that the session is for, where there is one.
  """
  @spec run(port(), Options.t(), Path.t() | nil, reference() | nil) ::
          {:ok, map(), PortProgram.OomCounter.t() | nil, Callback.Table.t()} | {:error, Error.t()}
  def run(port, options, crash_file, owner) do
    start = %__MODULE__{
      port: port,
      options: options,
      crash_file: crash_file,
      oom_counter: PortProgram.OomCounter.new(PortProgram.os_pid(port)),
      owner: owner,
      deadline: deadline(options.init_timeout),
      invocations: Callback.Table.new(options.allow, options.max_frame)
    }

    with {:ok, ready} <- await_ready(start),
         start = locate(start, ready),
         {:ok, start} <- run_init(start),
         do: {:ok, ready, start.oom_counter, start.invocations}
  end

  defp await_ready(%{options: options} = start) do
    case next(start) do
      {:event, {:ready, %{protocol: @protocol} = ready}} ->
        {:ok, ready}

      {:event, {:ready, ready}} ->
        {:error, start_failed("the port program speaks another version of the protocol: #{inspect(ready)}")}

      {:event, event} when elem(event, 0) in [:output, :log, :send] ->
        # Such as a warning of a module that Python imports by itself (sitecustomize).
        event |> handle_event(start) |> await_ready()

      {:exit, exit} ->
        {:error, PortProgram.ended_early(options, exit, start.oom_counter)}

      :timeout ->
        {:error, timed_out(start)}

      {:ended, _pid, reason} ->
        exit(reason)

      other ->
        {:error,
         start_failed("the port program did not begin with a ready event, but with #{inspect(other)}")}
    end
  end

  # A program around the port program may have put it into another cgroup meanwhile.
  defp locate(start, ready),
    do: %{start | oom_counter: PortProgram.OomCounter.new(ready.os_pid) || start.oom_counter}

  defp run_init(start) do
    start.options.init
    |> Enum.with_index(1)
    |> Enum.reduce_while({:ok, start}, fn {code, number}, {:ok, start} ->
      send_init(start.port, number, code)

      case await_reply(start) do
        {{:ok, _value}, start} -> {:cont, {:ok, start}}
        {{:error, error}, _start} -> {:halt, {:error, error}}
      end
    end)
  end

  defp send_init(port, number, code) do
    {source, place} = Code.split(code)
    place = Map.merge(%{file: "<init #{number}>"}, Map.new(place))
    command(port, Protocol.request(:exec, number, Protocol.body([source, place])))
  end

  defp command(port, frame) do
    Port.command(port, frame)
  rescue
    # The port is closed: why is in a message that is read next.
    ArgumentError -> false
  end

  defp await_reply(start) do
    case next(start) do
      {:reply, _id, frame} -> {Protocol.result(frame), start}
      {:event, event} -> event |> handle_event(start) |> await_reply()
      {:invoke, call_id, key, frame} -> start |> invoke({call_id, key}, frame) |> await_reply()
      {:answer, pid, answer} -> start |> answer(pid, answer) |> await_reply()
      {:ended, pid, reason} -> start |> ended(pid, reason) |> await_reply()
      {:exit, exit} -> {{:error, PortProgram.Exit.error(exit, {start.crash_file, start.oom_counter})}, start}
      :timeout -> {{:error, timed_out(start)}, start}
    end
  end

  # Init code is nobody's request.
  defp handle_event(event, start), do: %{start | invocations: Events.handle(event, nil, start)}

  defp invoke(start, call_id, frame) do
    %{start | invocations: Callback.Table.start(start.invocations, call_id, frame, nil)}
  end

  defp answer(start, pid, answer) do
    {awaited, invocations} = Callback.Table.answered(start.invocations, pid)
    if awaited, do: command(start.port, answer)
    %{start | invocations: invocations}
  end

  # The supervisor wants this process to end, unless it was a function that Python called.
  defp ended(start, pid, reason) do
    case Callback.Table.ended(start.invocations, pid, reason) do
      :unknown ->
        exit(reason)

      {answer, invocations} ->
        if answer, do: command(start.port, answer)
        %{start | invocations: invocations}
    end
  end

  defp next(%{port: port, owner: owner, deadline: deadline}) do
    receive do
      {^port, {:data, frame}} -> read(frame)
      {^port, {:exit_status, status}} -> {:exit, status}
      {:EXIT, ^port, reason} -> {:exit, {:closed, reason}}
      {:answer, pid, answer} -> {:answer, pid, answer}
      {:EXIT, pid, reason} -> {:ended, pid, reason}
      {:DOWN, ^owner, :process, _pid, _reason} -> exit(:normal)
    after
      left(deadline) -> :timeout
    end
  end

  defp read(frame) do
    case Protocol.read(frame) do
      {:reply, id} -> {:reply, id, frame}
      {:invoke, call_id, key} -> {:invoke, call_id, key, frame}
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
    PortProgram.kill(start.port)
    %Error{kind: :timeout, message: "the session was not ready within #{start.options.init_timeout} ms"}
  end
end
