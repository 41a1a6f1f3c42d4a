defmodule PythonxPort.Session.Cancellation do
  @moduledoc false
  # How requests end before they are done, as functions of the session's state: they are cancelled, their time is
  # over, their caller is gone. Python is told, and has the request's grace to reply; then it is killed.

  alias PythonxPort.{Client, Error, PortProgram, Protocol, Request, Telemetry}
  alias PythonxPort.Session.{PortWriter, SendQueue}

  # What may take its time, and can be told to end.
  @cancellable [:eval, :exec, :call, :stream]

  @type state :: map()

  @doc "Calls a function with the id of the request with this token, where it is under way; else gives the state as it is."
  @spec with_id(state(), Request.token(), (non_neg_integer() -> state())) :: state()
  def with_id(state, token, function) do
    case state.ids do
      %{^token => id} -> function.(id)
      _done -> state
    end
  end

  @doc "Tells Python to end a request; one that Python does not have yet ends here and now."
  @spec cancel(state(), non_neg_integer()) :: state()
  def cancel(state, id) do
    case state.pending do
      %{^id => %Request{operation: operation} = ticket} when operation in @cancellable ->
        unless_unsent(state, id, cancelled(), fn ->
          state
          |> write(Protocol.request(:cancel, id, []))
          |> put(id, Request.grant_grace(ticket, id, :cancelled))
        end)

      _not_to_be_ended ->
        state
    end
  end

  defp cancelled, do: %Error{kind: :cancelled, message: "the request was cancelled before it ran"}

  defp unless_unsent(state, id, error, function) do
    case SendQueue.drop(state.backlog, id) do
      {:dropped, backlog} -> refuse(%{state | backlog: backlog}, id, error)
      :sent -> function.()
    end
  end

  defp refuse(state, id, error) do
    {ticket, pending} = Map.pop!(state.pending, id)
    Request.close(ticket)
    Telemetry.fail(ticket.telemetry, error)
    if ticket.from, do: GenServer.reply(ticket.from, {:error, error})
    state = %{state | pending: pending, ids: Map.delete(state.ids, ticket.token)}
    if ticket.segments == [], do: state, else: write(state, Protocol.give_back(ticket.segments))
  end

  @doc "Nobody waits for a request any more."
  @spec forsake(state(), non_neg_integer()) :: state()
  def forsake(state, id) do
    %{^id => ticket} = state.pending
    state |> put(id, Request.forsake(ticket)) |> cancel(id)
  end

  @doc "The process that made a request has died."
  @spec caller_down(state(), non_neg_integer(), reference()) :: state()
  def caller_down(state, id, monitor) do
    case state.pending do
      %{^id => %Request{monitor: ^monitor}} -> forsake(state, id)
      _done -> state
    end
  end

  @doc "The time of a request is over. Python ends it; its caller is to wait for that, but no longer than its grace."
  @spec late(state(), non_neg_integer(), Request.token()) :: state()
  def late(state, id, token) do
    case state.pending do
      %{^id => %Request{token: ^token} = ticket} ->
        unless_unsent(state, id, Client.timed_out(ticket.timeout), fn -> let_end(state, id, ticket) end)

      _done ->
        state
    end
  end

  defp let_end(state, id, ticket) do
    if ticket.from, do: GenServer.reply(ticket.from, {:late, ticket.grace})
    # Python has not had it for so long: to it, there is time left.
    state = if ticket.delayed, do: write(state, Protocol.request(:cancel, id, [])), else: state
    put(state, id, Request.grant_grace(ticket, id, :timeout))
  end

  @doc "A request did not end. All who wait learn of it when Python's process is gone."
  @spec overdue(state(), non_neg_integer(), Request.token()) :: state()
  def overdue(state, id, token) do
    case state.pending do
      %{^id => %Request{token: ^token} = ticket} ->
        PortProgram.kill(state.outbox.port)
        %{state | overdue: [ticket | state.overdue]}

      _done ->
        state
    end
  end

  @doc "What Python says of the time that a request took."
  @spec timing(state(), non_neg_integer(), non_neg_integer(), non_neg_integer()) :: state()
  def timing(state, id, queue_us, run_us) do
    case state.pending do
      %{^id => %Request{} = ticket} -> put(state, id, Request.measure_timing(ticket, queue_us, run_us))
      _unknown -> state
    end
  end

  @doc "The session ends. Who waits learns of it by the reason; this is for those who only measure."
  @spec fail_all(state(), term()) :: :ok
  def fail_all(state, reason) do
    for {_id, %Request{} = ticket} <- state.pending do
      Telemetry.fail(ticket.telemetry, Client.session_ended(reason, ticket.token))
    end

    :ok
  end

  @doc "Grants items of a stream."
  @spec grant(state(), non_neg_integer(), pos_integer()) :: state()
  def grant(state, id, count), do: write(state, Protocol.request(:next, id, Protocol.body([count])))

  defp write(state, frame), do: %{state | outbox: PortWriter.write(state.outbox, frame)}

  defp put(state, id, ticket), do: %{state | pending: Map.put(state.pending, id, ticket)}
end
