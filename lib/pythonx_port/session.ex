defmodule PythonxPort.Session do
  @moduledoc """
  The process behind a session: it owns the port, numbers requests, and passes replies on to those who wait.

  `PythonxPort` is the module to use; this one is what a supervisor starts.

  Requests are sent to Python as they come, however many are under way, and Python runs them in order. When the
  Python process dies, the session ends with an error of kind `:crashed` as its reason. Each caller that waits gets
  that error once, and the session's supervisor starts it anew, init code included.
  """

  use GenServer

  require Logger

  alias PythonxPort.{
    Crash,
    CrashFiles,
    Error,
    Launcher,
    Output,
    Outbox,
    Protocol,
    Request,
    Segments,
    SessionOptions,
    Startup
  }

  # Room for the operation and the id in front of a request's body.
  @head_size 64
  # After a frame of this size the process lets go of it at once; it would keep it for as long as it is idle.
  @large_size 256 * 1024

  # `owner` is the monitor of the process that the session ends with, where there is one.
  # `pending` has for each id who waits, where output goes, the segments that the request uses, and its token.
  defstruct [:outbox, :crash_file, :options, :owner, :segments, pending: %{}, last_id: 0, stopping: false]

  @doc "As `PythonxPort.start_link/1`."
  @spec start_link(keyword()) :: {:ok, pid()} | {:error, Error.t() | {:already_started, pid()}}
  def start_link(options) do
    case start_process(SessionOptions.new(options), {:linked, self()}) do
      {:error, {:shutdown, %Error{} = error}} -> {:error, error}
      result -> result
    end
  end

  @doc false
  # Starts a session under the application's supervisor; it ends with its owner, where it has one.
  @spec start_supervised(keyword(), pid() | nil) ::
          {:ok, pid()} | {:error, Error.t() | {:already_started, pid()}}
  def start_supervised(options, owner) do
    started = make_ref()
    start = {:supervised, owner, self(), started}

    child = %{
      id: __MODULE__,
      start: {__MODULE__, :start_process, [SessionOptions.new(options), start]},
      restart: :temporary
    }

    with {:ok, pid} <- DynamicSupervisor.start_child(PythonxPort.SessionSupervisor, child) do
      await_started(pid, started)
    end
  end

  @doc false
  def start_process(%SessionOptions{name: nil} = options, start) do
    GenServer.start_link(__MODULE__, {options, start})
  end

  def start_process(%SessionOptions{name: name} = options, start) do
    GenServer.start_link(__MODULE__, {options, start}, name: name)
  end

  @doc false
  # Returns when the session has ended, so that its name is free again.
  @spec stop(GenServer.server(), timeout()) :: :ok
  def stop(session, timeout) do
    if process = Request.whereis(session) do
      monitor = Process.monitor(process)
      GenServer.cast(process, {:stop, timeout})

      receive do
        {:DOWN, ^monitor, :process, _process, _reason} -> :ok
      end
    else
      :ok
    end
  end

  # A supervised session starts up after init/1, for its supervisor has others to start meanwhile. What its start
  # came to is told by a message, since the session may be gone before it could be asked or monitored.
  defp await_started(pid, started) do
    monitor = Process.monitor(pid)

    receive do
      {^started, :ok} ->
        Process.demonitor(monitor, [:flush])
        {:ok, pid}

      {^started, {:error, error}} ->
        # Until it has ended, its name is not free.
        receive do
          {:DOWN, ^monitor, :process, ^pid, _reason} -> {:error, error}
        end

      {:DOWN, ^monitor, :process, ^pid, reason} ->
        {:error, Request.session_ended(reason)}
    end
  end

  @impl true
  def init({options, start}) do
    # A port that dies of a broken pipe must not take the session along before it knows how Python ended.
    Process.flag(:trap_exit, true)
    state = %__MODULE__{options: options, crash_file: CrashFiles.new()}

    case start do
      {:linked, starter} ->
        with {:error, error} <- start_up(state) do
          # The starter gets the error as a result: as the exit of a linked process it would end the starter, too.
          Process.unlink(starter)
          {:stop, {:shutdown, error}}
        end

      {:supervised, owner, _starter, _started} ->
        {:ok, %{state | owner: owner && Process.monitor(owner)}, {:continue, start}}
    end
  end

  @impl true
  def handle_continue({:supervised, _owner, starter, started}, state) do
    case start_up(state) do
      {:ok, state} ->
        send(starter, {started, :ok})
        {:noreply, state}

      {:error, error} ->
        send(starter, {started, {:error, error}})
        {:stop, {:shutdown, error}, state}
    end
  end

  @impl true
  def handle_call({:request, _operation, _body, _output, segments, _token}, _from, %{stopping: true} = state) do
    {:reply, {:error, Request.session_ended(:shutdown)}, give_back(state, segments)}
  end

  def handle_call({:request, operation, body, output, segments, token}, from, state) do
    size = IO.iodata_length(body)

    if size + @head_size > state.options.max_frame do
      {:reply, {:error, too_long(size, state.options)}, give_back(state, segments)}
    else
      # From here the request has them, whatever becomes of its caller.
      state = %{state | segments: Segments.drop(state.segments, segments)}
      state |> send_request(operation, body, {from, output, segments, token}) |> noreply(size)
    end
  end

  def handle_call({:segment, _size}, _from, %{segments: %{directory: nil}} = state), do: {:reply, nil, state}
  def handle_call({:segment, _size}, _from, %{stopping: true} = state), do: {:reply, nil, state}

  def handle_call({:segment, size}, from, state) do
    {:noreply, send_request(state, :segment, Protocol.body([size]), {:segment, from})}
  end

  @impl true
  def handle_cast({:release, refs}, state) do
    {:noreply, write(state, Protocol.release(refs))}
  end

  def handle_cast({:give_back, segments}, state), do: {:noreply, give_back(state, segments)}

  # The caller of a request waits no longer. Its result, which may be on its way to nobody, is not read.
  def handle_cast({:abandon, token}, state) do
    case Enum.find(state.pending, &match?({_id, {_from, _output, _segments, ^token}}, &1)) do
      {id, {_from, output, segments, _token}} ->
        {:noreply, %{state | pending: %{state.pending | id => {nil, output, segments, token}}}}

      nil ->
        {:noreply, give_back(state, Segments.held_for(state.segments, token))}
    end
  end

  def handle_cast({:stop, timeout}, state) do
    if timeout != :infinity, do: Process.send_after(self(), :kill, timeout)
    # Nobody waits for the reply to this request, but for the end of this process.
    state =
      if state.stopping, do: state, else: send_request(state, :stop, [], {nil, state.options.output, [], nil})

    {:noreply, %{state | stopping: true}}
  end

  @impl true
  def handle_info({port, {:data, frame}}, %{outbox: %{port: port}} = state) do
    frame |> handle_frame(state) |> noreply(byte_size(frame))
  end

  def handle_info({port, {:exit_status, status}}, %{outbox: %{port: port}} = state), do: ended(status, state)

  def handle_info({:EXIT, port, reason}, %{outbox: %{port: port}} = state),
    do: ended({:closed, reason}, state)

  def handle_info({:EXIT, helper, :normal}, %{outbox: %{helper: helper}} = state) do
    {:noreply, %{state | outbox: Outbox.helper_ended(state.outbox)}}
  end

  def handle_info({:EXIT, _pid, :normal}, state), do: {:noreply, state}
  def handle_info({:EXIT, _pid, reason}, state), do: {:stop, reason, state}

  def handle_info({:DOWN, owner, :process, _pid, _reason}, %{owner: owner} = state),
    do: {:stop, :normal, state}

  def handle_info({:DOWN, monitor, :process, _pid, _reason}, state) do
    {numbers, segments} = Segments.down(state.segments, monitor)
    {:noreply, give_back(%{state | segments: segments}, numbers)}
  end

  def handle_info(:kill, state) do
    Launcher.kill(state.outbox.port)
    {:noreply, state}
  end

  # Such as the answer of an output device.
  def handle_info(_other, state), do: {:noreply, state}

  @impl true
  def terminate(_reason, %{outbox: nil}), do: :ok

  def terminate(_reason, %{outbox: %{port: port}}) do
    # The Python process takes the end of its input as its own.
    Port.close(port)
  rescue
    # It has ended, and its port with it.
    ArgumentError -> :ok
  end

  defp start_up(state) do
    with {:ok, port} <- Launcher.open(state.options, state.crash_file),
         {:ok, ready} <- Startup.run(port, state.options, state.crash_file, state.owner) do
      segments = Segments.new(ready.os_pid, :segments in ready.features)
      {:ok, %{state | outbox: Outbox.new(port), segments: segments}}
    end
  end

  defp handle_frame(frame, state) do
    case Protocol.read(frame) do
      {:reply, id} -> reply(id, frame, [], state)
      {:reply, id, segments} -> reply(id, frame, segments, state)
      {:event, event} -> handle_event(event, state)
    end
  end

  # `shared` are the segments that the value is in.
  defp reply(id, frame, shared, state) do
    {waiting, pending} = Map.pop(state.pending, id)
    state = %{state | pending: pending}

    case waiting do
      {:segment, from} ->
        lend(from, Protocol.result(frame), state)

      {nil, _output, used, _token} ->
        give_back(state, used ++ shared)

      {from, _output, used, _token} when shared == [] ->
        GenServer.reply(from, {:frame, frame})
        give_back(state, used)

      {{pid, _tag} = from, _output, used, token} ->
        GenServer.reply(from, {:shared, frame, state.segments.directory, shared})
        give_back(%{state | segments: Segments.hold(state.segments, pid, shared, token)}, used)

      nil ->
        give_back(state, shared)
    end
  end

  defp lend({pid, _tag} = from, {:ok, {:"$segment", number, fd, _offset, _size} = segment}, state) do
    GenServer.reply(from, {segment, "#{state.segments.directory}/#{fd}"})
    %{state | segments: Segments.hold(state.segments, pid, [number], nil)}
  end

  # The limit is reached.
  defp lend(from, _no_segment, state) do
    GenServer.reply(from, nil)
    state
  end

  defp give_back(state, []), do: state

  defp give_back(state, numbers) do
    write(%{state | segments: Segments.drop(state.segments, numbers)}, Protocol.give_back(numbers))
  end

  defp handle_event({:output, id, stream, text}, state) do
    case state.pending do
      %{^id => {_from, output, _segments, _token}} -> Output.deliver(output, stream, text)
      _outside_of_requests -> Output.deliver(state.options.output, stream, text)
    end

    state
  end

  defp handle_event({:error, _no_id, error}, state) do
    Logger.warning("Python could not read a request: #{inspect(error)}")
    state
  end

  defp handle_event(_unknown, state), do: state

  # Those who wait learn of the end by the reason of this process, which comes when its name is free: a caller that
  # goes on at once must not meet what is left of this session.
  defp ended(_exit, %{stopping: true} = state), do: {:stop, :normal, state}
  defp ended(exit, state), do: raise(Crash.error(exit, state.crash_file))

  defp send_request(state, operation, body, waiting) do
    id = free_id(state.last_id, state.pending)
    state = write(state, Protocol.request(operation, id, body))
    %{state | last_id: id, pending: Map.put(state.pending, id, waiting)}
  end

  defp free_id(last_id, pending) do
    id = if last_id == Protocol.max_id(), do: 0, else: last_id + 1
    if Map.has_key?(pending, id), do: free_id(id, pending), else: id
  end

  defp write(state, frame), do: %{state | outbox: Outbox.write(state.outbox, frame)}

  defp noreply(state, size) when size >= @large_size, do: {:noreply, state, :hibernate}
  defp noreply(state, _size), do: {:noreply, state}

  defp too_long(size, options) do
    %Error{
      kind: :bad_request,
      message: "the request is #{size} bytes long; this session takes #{options.max_frame}"
    }
  end
end
