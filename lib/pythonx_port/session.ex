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

  alias PythonxPort.{Callback, Client, PortProgram, Protocol, Request, SharedMemory, Telemetry}
  alias PythonxPort.Session.{Cancellation, Dispatch, Events, PortWriter, SendQueue, Startup}

  # Room for the operation and the ids in front of a request's body.
  @head_size 128
  # After a frame of this size the process lets go of it at once; it would keep it for as long as it is idle.
  @large_size 256 * 1024

  # `owner` is the monitor of the process that the session ends with, where there is one.
  # `pending` has for each id the ticket of a request, or who wants which binary in a segment that was asked for; `ids`
  # has the ids for the tickets' tokens. `overdue` are the tickets because of which Python was killed.
  defstruct [
    :outbox,
    :crash_file,
    :oom_counter,
    :options,
    :owner,
    :segments,
    :invocations,
    :placing,
    backlog: SendQueue.new(),
    pending: %{},
    ids: %{},
    last_id: 0,
    stopping: false,
    overdue: []
  ]

  @doc false
  # Returns when the session has ended, so that its name is free again.
  @spec stop(GenServer.server(), timeout()) :: :ok
  def stop(session, timeout) do
    if process = Client.whereis(session) do
      monitor = Process.monitor(process)
      GenServer.cast(process, {:stop, timeout})

      receive do
        {:DOWN, ^monitor, :process, _process, _reason} -> :ok
      end
    else
      :ok
    end
  end

  @impl true
  def init({options, start}) do
    # A port that dies of a broken pipe must not take the session along before it knows how Python ended.
    Process.flag(:trap_exit, true)
    state = %__MODULE__{options: options, crash_file: PortProgram.CrashFiles.new()}

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

  # Lets go of a large binary. To hibernate would not do while messages wait.
  def handle_continue(:let_go, state) do
    :erlang.garbage_collect()
    {:noreply, state}
  end

  @impl true
  def handle_call({:request, body, %Request{} = ticket}, from, state) do
    call_id = Callback.Table.waiting_for(state.invocations, Request.callers(ticket, from))
    size = IO.iodata_length(body)

    cond do
      # What a request under way has called may still use the session, so that it can end.
      state.stopping and call_id == nil ->
        {:reply, {:error, Client.session_ended(:shutdown)}, give_back(state, ticket.segments)}

      size + @head_size > state.options.max_frame ->
        {:reply, {:error, Dispatch.too_long(size, state)}, give_back(state, ticket.segments)}

      true ->
        # From here the request has them, whatever becomes of its caller.
        state = %{state | segments: SharedMemory.Leases.drop(state.segments, ticket.segments)}
        state |> Dispatch.open(call_id, body, size, {from, ticket}) |> noreply(size)
    end
  end

  def handle_call({:place, _binary}, _from, %{segments: %{directory: nil}} = state), do: {:reply, nil, state}
  def handle_call({:place, _binary}, _from, %{stopping: true} = state), do: {:reply, nil, state}

  def handle_call({:place, binary}, from, state) do
    body = Protocol.body([byte_size(binary), %{files: SharedMemory.Upload.files()}])
    {:noreply, send_request(state, :segment, body, {:place, from, binary})}
  end

  @impl true
  # Behind the requests that may have use for them.
  def handle_cast({:release, refs}, state) do
    {:noreply, Dispatch.admit(state, make_ref(), {[Protocol.release(refs)], nil})}
  end

  def handle_cast({:give_back, segments}, state), do: {:noreply, give_back(state, segments)}

  # The caller of a request waits no longer. Its result, which may be on its way to nobody, is not read.
  def handle_cast({:abandon, token}, state) do
    {:noreply,
     case state.ids do
       %{^token => id} -> Cancellation.forsake(state, id)
       _done -> give_back(state, SharedMemory.Leases.held_for(state.segments, token))
     end}
  end

  def handle_cast({:cancel, token}, state) do
    {:noreply, Cancellation.with_id(state, token, &Cancellation.cancel(state, &1))}
  end

  def handle_cast({:next, token, count}, state) do
    {:noreply, Cancellation.with_id(state, token, &Cancellation.grant(state, &1, count))}
  end

  def handle_cast({:stop, timeout}, state) do
    if timeout != :infinity, do: Process.send_after(self(), :kill, timeout)
    # Nobody waits for the reply to this request, but for the end of this process.
    ticket = %Request{operation: :stop, output: state.options.output}
    state = if state.stopping, do: state, else: Dispatch.stop(state, ticket)
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
    {:noreply, %{state | outbox: PortWriter.helper_ended(state.outbox)}}
  end

  def handle_info({:EXIT, pid, reason}, state) do
    case Callback.Table.ended(state.invocations, pid, reason) do
      {nil, invocations} -> {:noreply, %{state | invocations: invocations}}
      {answer, invocations} -> {:noreply, write(%{state | invocations: invocations}, answer)}
      :unknown when reason == :normal -> {:noreply, state}
      :unknown -> {:stop, reason, state}
    end
  end

  # What a function that Python called came to.
  def handle_info({:answer, pid, answer}, state) do
    {awaited, invocations} = Callback.Table.answered(state.invocations, pid)
    state = %{state | invocations: invocations}
    {:noreply, if(awaited, do: write(state, answer), else: state)}
  end

  def handle_info({:DOWN, owner, :process, _pid, _reason}, %{owner: owner} = state),
    do: {:stop, :normal, state}

  def handle_info({{:caller, id}, monitor, :process, _pid, _reason}, state) do
    {:noreply, Cancellation.caller_down(state, id, monitor)}
  end

  def handle_info({:late, id, token}, state), do: {:noreply, Cancellation.late(state, id, token)}
  def handle_info({:overdue, id, token}, state), do: {:noreply, Cancellation.overdue(state, id, token)}

  def handle_info({:DOWN, monitor, :process, _pid, _reason}, state) do
    {numbers, segments} = SharedMemory.Leases.down(state.segments, monitor)
    {:noreply, give_back(%{state | segments: segments}, numbers)}
  end

  def handle_info({:written, number, result}, state) do
    case SharedMemory.Upload.written(state.placing, number, result) do
      {:more, placing} ->
        {:noreply, %{state | placing: placing}}

      {:done, from, place, placing} ->
        GenServer.reply(from, place)
        {:noreply, placed(%{state | placing: placing}, from, number, place), {:continue, :let_go}}
    end
  end

  def handle_info(:kill, state) do
    PortProgram.kill(state.outbox.port)
    {:noreply, state}
  end

  # Such as the answer of an output device.
  def handle_info(_other, state), do: {:noreply, state}

  @impl true
  def terminate(_reason, %{outbox: nil}), do: :ok

  def terminate(reason, %{outbox: %{port: port}} = state) do
    Callback.Table.kill_all(state.invocations)
    Cancellation.fail_all(state, reason)
    # The Python process takes the end of its input as its own.
    Port.close(port)
  rescue
    # It has ended, and its port with it.
    ArgumentError -> :ok
  end

  defp start_up(state) do
    with {:ok, port} <- PortProgram.open(state.options, state.crash_file),
         {:ok, ready, oom_counter, invocations} <-
           Startup.run(port, state.options, state.crash_file, state.owner) do
      segments = SharedMemory.Leases.new(ready.os_pid, :segment_files in ready.features)
      placing = SharedMemory.Upload.new(segments.directory, state.options.segment_limit)

      state = %{
        state
        | outbox: PortWriter.new(port),
          oom_counter: oom_counter,
          segments: segments,
          placing: placing,
          invocations: invocations
      }

      {:ok, state}
    end
  end

  defp handle_frame(frame, state) do
    case Protocol.read(frame) do
      {:reply, id} -> reply(id, frame, [], state)
      {:reply, id, segments} -> reply(id, frame, segments, state)
      {:items, id, segments} -> items(id, frame, segments, state)
      {:invoke, call_id, {_number, id} = key} -> invoke(id, {call_id, key}, frame, state)
      {:event, event} -> handle_event(event, state)
    end
  end

  # `shared` are the segments that the value is in.
  defp reply(id, frame, shared, state) do
    {waiting, state} = take_pending(state, id)

    case waiting do
      {:place, from, binary} ->
        place(Protocol.result(frame), from, binary, state)

      %Request{from: nil} = ticket ->
        ticket |> close(frame, shared, state) |> give_back(ticket.segments ++ shared)

      %Request{} = ticket when shared == [] ->
        state = close(ticket, frame, shared, state)
        GenServer.reply(ticket.from, Request.answer(ticket, frame))
        give_back(state, ticket.segments)

      %Request{from: {pid, _tag}} = ticket ->
        state = close(ticket, frame, shared, state)
        GenServer.reply(ticket.from, {:shared, frame, state.segments.directory, shared})
        state = %{state | segments: SharedMemory.Leases.hold(state.segments, pid, shared, ticket.token)}
        give_back(state, ticket.segments)

      nil ->
        give_back(state, shared)
    end
  end

  # There may be room for another.
  defp close(ticket, frame, shared, state) do
    Request.close(ticket)
    Telemetry.reply(ticket.telemetry, frame, shared)
    Dispatch.done(state, ticket)
  end

  defp items(id, frame, shared, state) do
    case state.pending do
      %{^id => %Request{from: {pid, _tag}} = ticket} when shared != [] ->
        GenServer.reply(ticket.from, {:shared_items, frame, state.segments.directory, shared})
        segments = SharedMemory.Leases.hold(state.segments, pid, shared, ticket.token)
        put_ticket(%{state | segments: segments}, id, Request.measure_items(ticket, frame, shared))

      %{^id => %Request{from: {_pid, _tag}} = ticket} ->
        GenServer.reply(ticket.from, {:items, frame})
        put_ticket(state, id, Request.measure_items(ticket, frame, shared))

      _nobody_waits ->
        give_back(state, shared)
    end
  end

  # The limit is reached.
  defp place({:ok, nil}, from, _binary, state) do
    GenServer.reply(from, nil)
    state
  end

  defp place({:ok, segment}, from, binary, state) do
    %{state | placing: SharedMemory.Upload.write(state.placing, segment, from, binary)}
  end

  # It could not be written.
  defp placed(state, _from, number, nil), do: give_back(state, [number])

  # Only from now on the segment is given back when the process is gone that asked for it: nobody writes into it any more.
  defp placed(state, {pid, _tag}, number, _place) do
    %{state | segments: SharedMemory.Leases.hold(state.segments, pid, [number], nil)}
  end

  defp give_back(state, []), do: state

  defp give_back(state, numbers) do
    write(%{state | segments: SharedMemory.Leases.drop(state.segments, numbers)}, Protocol.give_back(numbers))
  end

  defp handle_event({:error, _no_id, error}, state) do
    Logger.warning("Python could not read a request: #{inspect(error)}")
    state
  end

  defp handle_event({:timing, id, queue_us, run_us}, state),
    do: Cancellation.timing(state, id, queue_us, run_us)

  defp handle_event(event, state) do
    ticket = if tuple_size(event) > 1, do: state.pending[elem(event, 1)]
    %{state | invocations: Events.handle(event, ticket, state)}
  end

  # Those who wait learn of the end by the reason of this process, which comes when its name is free: a caller that
  # goes on at once must not meet what is left of this session.
  defp ended(_exit, %{stopping: true} = state), do: {:stop, :normal, state}

  defp ended(exit, state) do
    raise PortProgram.Exit.error(exit, {state.crash_file, state.oom_counter}, state.overdue)
  end

  defp invoke(id, call_id, frame, state) do
    %{state | invocations: Callback.Table.start(state.invocations, call_id, frame, state.pending[id])}
  end

  defp put_ticket(state, id, ticket), do: %{state | pending: Map.put(state.pending, id, ticket)}

  defp take_pending(state, id) do
    case Map.pop(state.pending, id) do
      {%Request{token: token} = ticket, pending} ->
        {ticket, %{state | pending: pending, ids: Map.delete(state.ids, token)}}

      {other, pending} ->
        {other, %{state | pending: pending}}
    end
  end

  defp send_request(state, operation, body, waiting) do
    id = Dispatch.free_id(state)
    state = write(state, Protocol.request(operation, id, body))
    %{state | last_id: id, pending: Map.put(state.pending, id, waiting)}
  end

  defp write(state, frame), do: %{state | outbox: PortWriter.write(state.outbox, frame)}

  defp noreply(state, size) when size >= @large_size, do: {:noreply, state, :hibernate}
  defp noreply(state, _size), do: {:noreply, state}
end
