defmodule PythonxPort.Session.Dispatch do
  @moduledoc false
  # Sends requests to Python, as functions of the session's state: they get an id, and go out in order, when Python has
  # room for them.

  alias PythonxPort.{Error, Protocol, Request}
  alias PythonxPort.Session.{Objects, SendQueue, State}

  # Room for the operation and the ids in front of a request's body.
  @head_size 128

  @doc "Returns the error for a request that is too long for the session, or nil."
  @spec check_size(State.t(), non_neg_integer()) :: Error.t() | nil
  def check_size(%{options: %{max_frame: most}}, size) do
    if size + @head_size > most do
      %Error{kind: :bad_request, message: "the request is #{size} bytes long; this session takes #{most}"}
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
      {:ok, request} -> send_request(state, id, call_id, body, Request.measure(request, size), size)
      :abandoned -> State.give_back(state, request.segments)
    end
  end

  defp send_request(state, id, call_id, body, request, size) do
    frame = Protocol.request(request.operation, id, body)

    # Python waits for a request within a call, and answers one about itself at once: they take no room.
    if call_id != nil or request.operation == :info do
      frame = if call_id, do: Protocol.within(call_id, frame), else: frame
      state |> State.add(id, request) |> send_frames([frame | first_grant(id, request)])
    else
      state
      |> State.add(id, %{request | size: size})
      |> admit(id, {[frame | first_grant(id, request)], size})
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
    {ready, send_queue} = SendQueue.done(state.send_queue, request.size)
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
