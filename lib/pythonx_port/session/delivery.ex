defmodule PythonxPort.Session.Delivery do
  @moduledoc false
  # Delivers what Python sends, as functions of the session's state: replies and items go to the callers, invocations to
  # processes of their own, events to `PythonxPort.Session.Events`. Objects and segments get their owners here.

  require Logger

  alias PythonxPort.{Callback, Object, Protocol, Request, Results, SharedMemory, Telemetry}
  alias PythonxPort.Session.{Dispatch, Events, Objects, State}

  @doc "Handles a frame from Python."
  @spec deliver(State.t(), binary()) :: State.t()
  def deliver(state, frame) do
    case Protocol.read(frame) do
      {:reply, id} -> reply(id, frame, [], state)
      {:reply, id, segments} -> reply(id, frame, segments, state)
      {:items, id, segments} -> items(id, frame, segments, state)
      {:invoke, call_id, {_number, id} = key} -> invoke(id, {call_id, key}, frame, state)
      {:event, event} -> handle_event(state, event)
    end
  end

  # `shared` are the segments that the value is in.
  defp reply(id, frame, shared, state) do
    {pending, state} = State.take(state, id)

    case pending do
      {:upload, from, binary} ->
        upload(Protocol.result(frame), from, binary, state)

      {:fetch, from} ->
        GenServer.reply(from, frame)
        state

      %Request{return: :ref} = request ->
        state = request |> close(frame, shared, state) |> State.give_back(request.segments ++ shared)
        reply_object(Protocol.result(frame), request, frame, state)

      :queue_report ->
        {:ok, info} = Protocol.result(frame)
        Dispatch.queue_reported(state, info)

      %Request{from: nil} = request ->
        request |> close(frame, shared, state) |> State.give_back(request.segments ++ shared)

      %Request{} = request when shared == [] ->
        state = close(request, frame, shared, state)
        GenServer.reply(request.from, Request.answer(request, frame))
        State.give_back(state, request.segments)

      %Request{from: {pid, _tag}} = request ->
        state = close(request, frame, shared, state)
        shared_message = {:shared, frame, state.leases.directory, shared}
        GenServer.reply(request.from, Results.wrap(shared_message, Request.results(request)))
        state |> State.lease(pid, shared, request.token) |> State.give_back(request.segments)

      nil ->
        State.give_back(state, shared)
    end
  end

  # A reference is small: it is decoded here, where its owner is recorded.
  defp reply_object({:ok, value}, %{from: nil}, _frame, state) do
    Dispatch.release(state, [object_in(value).ref])
  end

  defp reply_object({:ok, value}, %{from: {pid, _tag}} = request, _frame, state) do
    sent = object_in(value)
    # Python does not send the field `session`.
    object = %Object{ref: sent.ref, type: sent.type, repr: sent.repr, session: self()}
    message = {:object, put_object(value, object)}
    GenServer.reply(request.from, Results.wrap(message, Request.results(request)))
    %{state | objects: Objects.own(state.objects, object.ref, pid, request.token)}
  end

  defp reply_object({:error, _error}, %{from: nil}, _frame, state), do: state

  defp reply_object({:error, _error}, request, frame, state) do
    GenServer.reply(request.from, Request.answer(request, frame))
    state
  end

  # An object of a type that the option `decode` names comes with that name.
  defp object_in({:"$object", _name, _type, object}), do: object
  defp object_in(object), do: object

  defp put_object({:"$object", name, type, _sent}, object), do: {:"$object", name, type, object}
  defp put_object(_sent, object), do: object

  @doc "Drops a result that was sent to its caller when that did not wait any more."
  @spec drop_result(State.t(), Request.token()) :: State.t()
  def drop_result(state, token) do
    state
    |> Dispatch.release(Objects.of_request(state.objects, token))
    |> State.give_back(SharedMemory.Leases.of_request(state.leases, token))
  end

  defp close(request, frame, shared, state) do
    Request.close(request)
    Telemetry.reply(request.telemetry, frame, shared, request.closed)
    Dispatch.done(state, request)
  end

  defp items(id, frame, shared, state) do
    case state.pending do
      %{^id => %Request{from: {pid, _tag}} = request} when shared != [] ->
        GenServer.reply(request.from, {:shared_items, frame, state.leases.directory, shared})

        state
        |> State.lease(pid, shared, request.token)
        |> State.put_request(id, Request.measure_items(request, frame, shared))

      %{^id => %Request{from: {_pid, _tag}} = request} ->
        GenServer.reply(request.from, {:items, frame})
        State.put_request(state, id, Request.measure_items(request, frame, shared))

      _abandoned ->
        State.give_back(state, shared)
    end
  end

  defp invoke(id, call_id, frame, state) do
    callbacks = Callback.Table.start(state.callbacks, call_id, frame, State.request(state, id))
    %{state | callbacks: callbacks}
  end

  # Python has reached its limit of segments.
  defp upload({:ok, nil}, from, _binary, state) do
    GenServer.reply(from, nil)
    state
  end

  defp upload({:ok, segment}, from, binary, state) do
    %{state | upload: SharedMemory.Upload.write(state.upload, segment, from, binary)}
  end

  @doc "Gives a caller the place of its binary in a segment; the place is nil if the segment could not be written."
  @spec uploaded(State.t(), GenServer.from(), pos_integer(), SharedMemory.segment() | nil) :: State.t()
  def uploaded(state, {pid, _tag} = from, number, place) do
    GenServer.reply(from, place)

    # Only from now on the segment may be given back when its process is gone: nothing writes into it any more.
    if place, do: State.lease(state, pid, [number], nil), else: State.give_back(state, [number])
  end

  @doc "Handles what Python sends beside replies and items."
  @spec handle_event(State.t(), tuple()) :: State.t()
  def handle_event(state, event)

  def handle_event(state, {:error, _no_id, error}) do
    Logger.warning("Python could not read a request: #{error[:message]}")
    state
  end

  # How long a request was queued, and how long it ran.
  def handle_event(state, {:timing, id, queue_us, run_us}) do
    case state.pending do
      %{^id => %Request{} = request} ->
        State.put_request(state, id, Request.measure_timing(request, queue_us, run_us))

      _unknown ->
        state
    end
  end

  def handle_event(state, event) do
    request = if tuple_size(event) > 1, do: State.request(state, elem(event, 1))
    %{state | callbacks: Events.handle(event, request, state.options, state.callbacks)}
  end
end
