defmodule PythonxPort.Session.Startup do
  @moduledoc false
  # Brings a session from an open port to readiness: waits for the ready event, then runs the init code. This runs in
  # the session's process, which handles no requests meanwhile, so that none can overtake the init code.

  alias PythonxPort.{Callback, Code, Error, PortProgram, Protocol}
  alias PythonxPort.Session.{Events, Options}

  @protocol 1

  @enforce_keys [:port, :options, :crash_file, :oom_counter, :owner, :deadline, :callbacks]
  defstruct @enforce_keys

  @type t :: %__MODULE__{
          port: port(),
          options: Options.t(),
          crash_file: Path.t() | nil,
          oom_counter: PortProgram.OomCounter.t() | nil,
          owner: reference() | nil,
          deadline: integer() | :infinity,
          callbacks: Callback.Table.t()
        }

  @doc """
  Returns the contents of the ready event, the counter of kills by the kernel, and the calls from Python that are not
  answered yet. `owner` is the monitor of the process that the session ends with, if it has one.
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
      callbacks: Callback.Table.new(options.allow, options.max_frame)
    }

    with {:ok, ready} <- await_ready(start),
         start = locate(start, ready),
         {:ok, start} <- run_init(start),
         do: {:ok, ready, start.oom_counter, start.callbacks}
  end

  defp await_ready(%{options: options} = start) do
    case next(start) do
      {:event, {:ready, %{protocol: @protocol} = ready}} ->
        {:ok, ready}

      {:event, {:ready, ready}} ->
        {:error, start_failed("the port program speaks another version of the protocol: #{inspect(ready)}")}

      {:event, event} when elem(event, 0) in [:output, :log, :send] ->
        # Such as a warning of a module that Python imports on its own (sitecustomize).
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

  # A wrapper of the port program may have put it into another cgroup meanwhile.
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
    # The port is closed. The next message says why.
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

  # Init code belongs to no request.
  defp handle_event(event, start) do
    %{start | callbacks: Events.handle(event, nil, start.options, start.callbacks)}
  end

  defp invoke(start, call_id, frame) do
    %{start | callbacks: Callback.Table.start(start.callbacks, call_id, frame, nil)}
  end

  defp answer(start, pid, answer) do
    {awaited?, callbacks} = Callback.Table.answered(start.callbacks, pid)
    if awaited?, do: command(start.port, answer)
    %{start | callbacks: callbacks}
  end

  # A linked process that is no callback is the supervisor, which ends this process.
  defp ended(start, pid, reason) do
    case Callback.Table.ended(start.callbacks, pid, reason) do
      :unknown ->
        exit(reason)

      {answer, callbacks} ->
        if answer, do: command(start.port, answer)
        %{start | callbacks: callbacks}
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
      remaining(deadline) -> :timeout
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

  defp remaining(:infinity), do: :infinity
  defp remaining(deadline), do: max(deadline - System.monotonic_time(:millisecond), 0)

  defp start_failed(message), do: %Error{kind: :start_failed, message: message}

  # A program that has not become ready may not read its input, which would end it.
  defp timed_out(start) do
    PortProgram.kill(start.port)
    %Error{kind: :timeout, message: "the session was not ready within #{start.options.init_timeout} ms"}
  end
end
