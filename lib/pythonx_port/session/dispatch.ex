defmodule PythonxPort.Session.Dispatch do
  @moduledoc false
  # How requests get to Python, as functions of the session's state: they get a number, and go out in order, when
  # there is room.

  alias PythonxPort.{Error, Protocol, Request}
  alias PythonxPort.Session.{PortWriter, SendQueue}

  @type state :: map()

  @doc "Sends a request, within the call that waits for it where there is one."
  @spec open(state(), Protocol.call_id() | nil, iodata(), non_neg_integer(), {GenServer.from(), Request.t()}) ::
          state()
  def open(state, call_id, body, size, {from, ticket}) do
    id = free_id(state)

    case Request.open(ticket, from, id, state.options.grace) do
      {:ok, ticket} -> send_request(state, id, call_id, body, Request.measure(ticket, size), size)
      :forsaken when ticket.segments == [] -> state
      :forsaken -> write(state, Protocol.give_back(ticket.segments))
    end
  end

  defp send_request(state, id, call_id, body, ticket, size) do
    request = Protocol.request(ticket.operation, id, body)
    state = %{state | last_id: id, ids: Map.put(state.ids, ticket.token, id)}

    # Python waits for what is within a call, and answers at once what it is asked about itself.
    if call_id != nil or ticket.operation == :info do
      frames = if call_id, do: [Protocol.within(call_id, request)], else: [request]
      state |> put_ticket(id, ticket) |> send_frames(frames ++ first_grant(id, ticket))
    else
      state
      |> put_ticket(id, %{ticket | size: size})
      |> admit(id, {[request | first_grant(id, ticket)], size})
    end
  end

  defp first_grant(_id, %{demand: nil}), do: []
  defp first_grant(id, %{demand: demand}), do: [Protocol.request(:next, id, Protocol.body([demand]))]

  @doc "Asks Python to stop, after all that it was asked before."
  @spec stop(state(), Request.t()) :: state()
  def stop(state, ticket) do
    id = free_id(state)
    %{state | last_id: id} |> put_ticket(id, ticket) |> admit(id, {[Protocol.request(:stop, id, [])], nil})
  end

  @doc "Sends frames in their turn: now, or when Python has room for them."
  @spec admit(state(), term(), SendQueue.entry()) :: state()
  def admit(state, key, {frames, _size} = entry) do
    case SendQueue.admit(state.backlog, key, entry) do
      {:send, backlog} -> send_frames(%{state | backlog: backlog}, frames)
      {:wait, backlog} -> %{state | backlog: backlog}
    end
  end

  @doc "A request has its reply. There may be room for another."
  @spec done(state(), Request.t()) :: state()
  def done(state, ticket) do
    {ready, backlog} = SendQueue.done(state.backlog, ticket.size)
    Enum.reduce(ready, %{state | backlog: backlog}, &send_late/2)
  end

  defp send_late({key, frames}, state) do
    case state.pending do
      %{^key => %Request{} = ticket} ->
        state |> put_ticket(key, %{ticket | delayed: true}) |> send_frames(frames)

      _no_request ->
        send_frames(state, frames)
    end
  end

  defp send_frames(state, frames), do: Enum.reduce(frames, state, &write(&2, &1))

  @doc "The error for a request that is too long for the session."
  @spec too_long(non_neg_integer(), state()) :: Error.t()
  def too_long(size, %{options: %{max_frame: most}}) do
    %Error{kind: :bad_request, message: "the request is #{size} bytes long; this session takes #{most}"}
  end

  @doc "A number that no request under way has."
  @spec free_id(state()) :: Protocol.id()
  def free_id(state), do: free_id(state.last_id, state.pending)

  defp free_id(last_id, pending) do
    id = if last_id == Protocol.max_id(), do: 0, else: last_id + 1
    if Map.has_key?(pending, id), do: free_id(id, pending), else: id
  end

  defp put_ticket(state, id, ticket), do: %{state | pending: Map.put(state.pending, id, ticket)}

  defp write(state, frame), do: %{state | outbox: PortWriter.write(state.outbox, frame)}
end
