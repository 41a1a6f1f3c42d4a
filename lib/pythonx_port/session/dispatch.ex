defmodule PythonxPort.Session.Dispatch do
  @moduledoc false
  # Sends requests to Python, as functions of the session's state: they get an id, and go out in order, when Python has
  # room for them.

  alias PythonxPort.{Error, Protocol, Request}
  alias PythonxPort.Session.{Cancellation, Objects, QueueLimit, SendQueue, State}

  # Room for the operation and the ids in front of a request's body.
  @head_size 128

  @doc "Returns the error for a request that is too long for the session, or nil."
  @spec check_size(State.t(), non_neg_integer()) :: Error.t() | nil
  def check_size(%{options: %{max_frame: most}}, size) do
    if size + @head_size > most do
      %Error{
        kind: :bad_request,
        message: "the request is #{size} bytes long; this session takes #{most} (option :max_frame)"
      }
    end
  end

  @doc "Sends a request; within the call from Python that waits for it, if there is one."
  @spec open(
          State.t(),
          Protocol.call_id() | nil,
          iodata(),
          non_neg_integer(),
          {GenServer.from(), Request.t()}
        ) :: State.t()
  def open(state, call_id, body, size, {from, request}) do
    id = State.free_id(state)

    case Request.open(request, from, id, state.options.grace) do
      {:ok, request} ->
        send_results(request)
        send_request(state, id, call_id, body, Request.measure(request, state.options.name, size), size)

      :abandoned ->
        State.give_back(state, request.segments)
    end
  end

  # The consumer of a stream gets the options for its items once, before the first of them.
  defp send_results(%{operation: :stream, results: results} = request) when results != nil do
    GenServer.reply(request.from, {:results, results})
  end

  defp send_results(_request), do: :ok

  # Python waits for a request within a call, and answers one about itself at once: they take no room.
  defp send_request(state, id, call_id, body, request, _size) when call_id != nil do
    frame = Protocol.within(call_id, Protocol.request(request.operation, id, body))
    state |> State.add(id, request) |> send_frames([frame | first_grant(id, request)])
  end

  defp send_request(state, id, nil, body, %{operation: :info} = request, _size) do
    state |> State.add(id, request) |> State.write(Protocol.request(:info, id, body))
  end

  defp send_request(state, id, nil, body, request, size) do
    entry = {[Protocol.request(request.operation, id, body) | first_grant(id, request)], size}
    state |> State.add(id, %{request | size: size}) |> limit(id, entry, size + request.bulk_bytes)
  end

  # Queues a request if there is room. If there seems to be none, Python is asked how many have not begun, except during
  # the start, when none has; it answers at once. The request, and those behind it, are held back until then.
  defp limit(%{queue_limit: nil} = state, id, entry, _bytes), do: admit(state, id, entry)

  defp limit(%{queue_limit: %{asked: nil} = limit} = state, id, entry, bytes) do
    case QueueLimit.add(limit, {id, bytes}) do
      {:ok, limit} ->
        admit(%{state | queue_limit: limit}, id, entry)

      :full when state.startup != nil ->
        Cancellation.refuse(state, id, overloaded(limit))

      :full ->
        %{
          state
          | queue_limit: QueueLimit.defer(limit, {id, bytes}),
            send_queue: SendQueue.hold(state.send_queue, id)
        }
        |> admit(id, entry)
        |> ask()
    end
  end

  defp limit(state, id, entry, bytes) do
    admit(%{state | queue_limit: QueueLimit.defer(state.queue_limit, {id, bytes})}, id, entry)
  end

  defp ask(state) do
    id = State.free_id(state)

    %{state | queue_limit: QueueLimit.ask(state.queue_limit)}
    |> State.add(id, :queue_report)
    |> State.write(Protocol.request(:info, id, []))
  end

  defp overloaded(limit) do
    message = "the session has no room for the request: #{QueueLimit.describe(limit)}"
    %Error{kind: :overloaded, message: message}
  end

  @doc "Decides about the requests that were held back, when Python has reported how many have not begun."
  @spec queue_reported(State.t(), map()) :: State.t()
  def queue_reported(state, info) do
    {asked, later, limit} = QueueLimit.take_undecided(state.queue_limit)
    frames = state.send_queue.frames
    undecided = Enum.count(asked ++ later, fn {id, _bytes} -> is_map_key(frames, id) end)
    waiting = Map.get(info, :waiting, info.queued) + map_size(frames) - undecided
    state = decide(%{state | queue_limit: QueueLimit.keep(limit, waiting)}, asked, :refuse)
    decide(state, later, :ask)
  end

  # Those that came after the report was asked for are not refused by it: some may have begun since.
  defp decide(state, [], :refuse), do: state
  defp decide(state, [], :ask), do: resume(state)

  defp decide(state, [{id, _bytes} = entry | rest] = undecided, if_full) do
    case is_map_key(state.pending, id) && QueueLimit.add(state.queue_limit, entry) do
      # It was cancelled meanwhile.
      false ->
        decide(state, rest, if_full)

      {:ok, limit} ->
        decide(%{state | queue_limit: limit}, rest, if_full)

      :full when if_full == :refuse ->
        state |> Cancellation.refuse(id, overloaded(state.queue_limit)) |> decide(rest, if_full)

      # Those before it go first: Python shall report on them, too.
      :full ->
        limit = Enum.reduce(undecided, state.queue_limit, &QueueLimit.defer(&2, &1))
        %{state | queue_limit: limit} |> resume(id) |> ask()
    end
  end

  @doc "Sends the requests that were held back, or those before the one with this id, as far as there is room for them."
  @spec resume(State.t(), Protocol.id() | nil) :: State.t()
  def resume(state, held \\ nil) do
    state.send_queue |> SendQueue.release(held) |> send_ready(state)
  end

  @doc "Grants items of a stream; one that is queued takes the grant along."
  @spec grant(State.t(), Protocol.id(), iodata()) :: State.t()
  def grant(state, id, body) do
    frame = Protocol.request(:next, id, body)

    case SendQueue.append(state.send_queue, id, frame) do
      {:ok, send_queue} -> %{state | send_queue: send_queue}
      :sent -> State.write(state, frame)
    end
  end

  defp first_grant(_id, %{demand: nil}), do: []
  defp first_grant(id, %{demand: demand}), do: [Protocol.request(:next, id, Protocol.body([demand]))]

  @doc "Stops Python, after all requests that were made before."
  @spec stop(State.t()) :: State.t()
  def stop(state) do
    id = State.free_id(state)
    # The reply to this request has no caller; those who stop a session wait for the end of its process.
    request = %Request{operation: :stop, output: state.options.output}
    state |> State.add(id, request) |> admit(id, {[Protocol.request(:stop, id, [])], nil})
  end

  @doc "Releases objects, after the requests that may use them."
  @spec release(State.t(), [Objects.ref()]) :: State.t()
  def release(state, []), do: state

  def release(state, refs) do
    %{state | objects: Objects.drop(state.objects, refs)}
    |> admit(make_ref(), {[Protocol.release(refs)], nil})
  end

  @doc "Requests a segment of shared memory, or bytes of one; Python answers at once, nothing is queued before it."
  @spec control(State.t(), :segment | :fetch, iodata(), State.pending()) :: State.t()
  def control(state, operation, body, pending) do
    id = State.free_id(state)
    state |> State.add(id, pending) |> State.write(Protocol.request(operation, id, body))
  end

  # Sends frames in their turn: now, or when Python has room for them.
  defp admit(state, key, {frames, _size} = entry) do
    case SendQueue.admit(state.send_queue, key, entry) do
      {:send, send_queue} -> send_frames(%{state | send_queue: send_queue}, frames)
      {:wait, send_queue} -> %{state | send_queue: send_queue}
    end
  end

  @doc "Takes note that a request has its reply, and sends those that there is room for now."
  @spec done(State.t(), Request.t()) :: State.t()
  def done(state, request) do
    state.send_queue |> SendQueue.done(request.size) |> send_ready(state)
  end

  defp send_ready({ready, send_queue}, state) do
    Enum.reduce(ready, %{state | send_queue: send_queue}, &send_queued/2)
  end

  defp send_queued({key, frames}, state) do
    case state.pending do
      %{^key => %Request{} = request} ->
        state |> State.put_request(key, %{request | delayed: true}) |> send_frames(frames)

      _no_request ->
        send_frames(state, frames)
    end
  end

  defp send_frames(state, frames), do: Enum.reduce(frames, state, &State.write(&2, &1))
end
