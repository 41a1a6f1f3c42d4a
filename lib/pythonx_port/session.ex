defmodule PythonxPort.Session do
  @moduledoc """
  The process behind a session: it owns the port, numbers requests, and passes replies on to those who wait.

  `PythonxPort` is the module to use; this one is what a supervisor starts.

  Requests are sent to Python as they come, however many are under way, and Python runs them in order. When the
  Python process dies, each caller that waits gets one `{:error, error}` of kind `:crashed`, and the session ends
  with that error as its reason, so that its supervisor starts it anew, init code included.
  """

  use GenServer

  require Logger

  alias PythonxPort.{Crash, Error, Launcher, Output, Protocol, Request, SessionOptions, Startup}

  # Room for the operation and the id in front of a request's body.
  @head_size 64

  defstruct [:port, :crash_file, :options, pending: %{}, last_id: 0, stoppers: []]

  @doc "As `PythonxPort.start_link/1`."
  @spec start_link(keyword()) :: {:ok, pid()} | {:error, Error.t() | {:already_started, pid()}}
  def start_link(options), do: start_process(SessionOptions.new(options), {:linked, nil})

  @doc false
  # Starts a session under the application's supervisor; it ends with its owner, where it has one.
  @spec start_supervised(keyword(), owner: pid() | nil) ::
          {:ok, pid()} | {:error, Error.t() | {:already_started, pid()}}
  def start_supervised(options, owner: owner) do
    reply_ref = make_ref()
    start = {:supervised, owner, self(), reply_ref}

    child = %{
      id: __MODULE__,
      start: {__MODULE__, :start_process, [SessionOptions.new(options), start]},
      restart: :temporary
    }

    with {:ok, pid} <- DynamicSupervisor.start_child(PythonxPort.SessionSupervisor, child) do
      await_started(pid, reply_ref)
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
  @spec stop(GenServer.server(), timeout()) :: :ok
  def stop(session, timeout) do
    GenServer.call(session, {:stop, timeout}, :infinity)
  catch
    # It is not there, or it crashed first: either way it has stopped.
    :exit, _reason -> :ok
  end

  # A supervised session starts up after init/1, for its supervisor has others to start meanwhile. What its start
  # came to is told by a message, not a call, since the session may be gone before a call could reach it.
  defp await_started(pid, reply_ref) do
    monitor = Process.monitor(pid)

    receive do
      {^reply_ref, :ok} ->
        Process.demonitor(monitor, [:flush])
        {:ok, pid}

      {^reply_ref, {:error, error}} ->
        Process.demonitor(monitor, [:flush])
        {:error, error}

      {:DOWN, ^monitor, :process, ^pid, reason} ->
        {:error, Request.session_ended(reason)}
    end
  end

  @impl true
  def init({options, start}) do
    # A port that dies of a broken pipe must not take the session along before it has told its callers.
    Process.flag(:trap_exit, true)
    state = %__MODULE__{options: options, crash_file: Crash.report_path()}

    case start do
      {:linked, _owner} ->
        with {:error, error} <- start_up(state), do: {:stop, error}

      {:supervised, owner, _starter, _ref} ->
        if owner, do: Process.monitor(owner)
        {:ok, state, {:continue, start}}
    end
  end

  @impl true
  def handle_continue({:supervised, _owner, starter, reply_ref}, state) do
    case start_up(state) do
      {:ok, state} ->
        send(starter, {reply_ref, :ok})
        {:noreply, state}

      {:error, error} ->
        send(starter, {reply_ref, {:error, error}})
        {:stop, {:shutdown, error}, state}
    end
  end

  @impl true
  def handle_call({:request, _operation, _body, _output}, _from, %{stoppers: [_ | _]} = state) do
    {:reply, {:error, stopped()}, state}
  end

  def handle_call({:request, operation, body, output}, from, state) do
    if IO.iodata_length(body) + @head_size > state.options.max_frame do
      {:reply, {:error, too_long(body, state)}, state}
    else
      {:noreply, send_request(state, operation, body, {from, output})}
    end
  end

  def handle_call({:stop, timeout}, from, %{stoppers: []} = state) do
    state = send_request(state, :stop, [], {nil, state.options.output})
    if timeout != :infinity, do: Process.send_after(self(), :kill, timeout)
    {:noreply, %{state | stoppers: [from]}}
  end

  def handle_call({:stop, _timeout}, from, state) do
    {:noreply, %{state | stoppers: [from | state.stoppers]}}
  end

  @impl true
  def handle_cast({:release, refs}, state) do
    command(state.port, Protocol.release(refs))
    {:noreply, state}
  end

  @impl true
  def handle_info({port, {:data, frame}}, %{port: port} = state) do
    {:noreply, handle_frame(frame, state)}
  end

  def handle_info({port, {:exit_status, status}}, %{port: port} = state), do: handle_exit(status, state)
  def handle_info({:EXIT, port, reason}, %{port: port} = state), do: handle_exit({:closed, reason}, state)
  def handle_info({:EXIT, _pid, :normal}, state), do: {:noreply, state}
  def handle_info({:EXIT, _pid, reason}, state), do: {:stop, reason, state}
  def handle_info({:DOWN, _monitor, :process, _owner, _reason}, state), do: {:stop, :normal, state}

  def handle_info(:kill, state) do
    Launcher.kill(state.port)
    {:noreply, state}
  end

  # Such as the late answer of an output device.
  def handle_info(_other, state), do: {:noreply, state}

  @impl true
  def terminate(_reason, state) do
    # The Python process takes the end of its input as its own.
    if state.port && Port.info(state.port), do: Port.close(state.port)
    if state.crash_file, do: File.rm(state.crash_file)
  end

  defp start_up(state) do
    with {:ok, port} <- Launcher.open(state.options, state.crash_file),
         :ok <- Startup.run(port, state.options, state.crash_file) do
      {:ok, %{state | port: port}}
    end
  end

  defp handle_frame(frame, state) do
    case Protocol.read(frame) do
      {:reply, id} -> reply(id, frame, state)
      {:event, event} -> handle_event(event, state)
    end
  end

  defp reply(id, frame, state) do
    {waiting, pending} = Map.pop(state.pending, id)
    answer(waiting, {:frame, frame})
    %{state | pending: pending}
  end

  defp handle_event({:output, id, stream, text}, state) do
    case state.pending do
      %{^id => {_from, output}} -> Output.deliver(output, stream, text)
      _outside_of_requests -> Output.deliver(state.options.output, stream, text)
    end

    state
  end

  defp handle_event({:error, _no_id, error}, state) do
    Logger.warning("Python could not read a request: #{inspect(error)}")
    state
  end

  defp handle_event(_unknown, state), do: state

  defp handle_exit(_exit, %{stoppers: [_ | _]} = state) do
    state = answer_all(state, {:error, stopped()})
    Enum.each(state.stoppers, &GenServer.reply(&1, :ok))
    {:stop, :normal, state}
  end

  defp handle_exit(exit, state) do
    error = Crash.error(exit, state.crash_file)
    {:stop, error, answer_all(state, {:error, error})}
  end

  defp answer_all(state, result) do
    Enum.each(state.pending, fn {_id, waiting} -> answer(waiting, result) end)
    %{state | pending: %{}}
  end

  # The stop request has no caller that waits for its reply: those wait for the exit.
  defp answer(nil, _result), do: :ok
  defp answer({nil, _output}, _result), do: :ok
  defp answer({from, _output}, result), do: GenServer.reply(from, result)

  defp send_request(state, operation, body, waiting) do
    id = free_id(state.last_id, state.pending)
    command(state.port, Protocol.request(operation, id, body))
    %{state | last_id: id, pending: Map.put(state.pending, id, waiting)}
  end

  defp free_id(last_id, pending) do
    id = if last_id == Protocol.max_id(), do: 0, else: last_id + 1
    if Map.has_key?(pending, id), do: free_id(id, pending), else: id
  end

  defp command(port, data) do
    Port.command(port, data)
  rescue
    # The port is closed: the message that says so is on its way, and answers all that is pending.
    ArgumentError -> false
  end

  defp stopped do
    %Error{kind: :shutdown, message: "the session was stopped before it came to this request"}
  end

  defp too_long(body, state) do
    %Error{
      kind: :bad_request,
      message: "the request is #{IO.iodata_length(body)} bytes long; this session takes #{state.options.max_frame}"
    }
  end
end
