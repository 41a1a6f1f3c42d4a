defmodule PythonxPort.Session.Cancellation do
  @moduledoc false
  # Ends requests before they are done, as functions of the session's state: they are cancelled, their time is over,
  # their caller is gone. Python has the request's grace to reply; then its process is killed.

  alias PythonxPort.{Error, PortProgram, Protocol, Request, Telemetry}
  alias PythonxPort.Session.{SendQueue, State}

  # Requests that may take long, and that Python can end.
  @cancellable [:eval, :exec, :call, :assign, :stream]

  @doc """
  Cancels a request; one that Python does not have yet ends at once. `reason` is `:closed` for a stream that its consumer
  has read as far as it wanted.
  """
  @spec cancel(State.t(), Protocol.id(), :cancelled | :closed) :: State.t()
  def cancel(state, id, reason \\ :cancelled) do
    case state.pending do
      %{^id => %Request{operation: operation} = request} when operation in @cancellable ->
        state
        |> State.put_request(id, %{request | closed: request.closed or reason == :closed})
        |> unless_queued(id, cancelled(), fn state, request ->
          state
          |> State.write(Protocol.request(:cancel, id, []))
          |> State.put_request(id, Request.grant_grace(request, id, :cancelled))
        end)

      _not_cancellable ->
        state
    end
  end

  defp cancelled, do: %Error{kind: :cancelled, message: "the request was cancelled before it ran"}

  defp unless_queued(state, id, error, function) do
    case SendQueue.drop(state.send_queue, id) do
      {:dropped, _send_queue} -> refuse(state, id, error)
      :sent -> function.(state, state.pending[id])
    end
  end

  @doc "Ends a request that Python does not have, with an error."
  @spec refuse(State.t(), Protocol.id(), Error.t()) :: State.t()
  def refuse(state, id, error) do
    {%Request{} = request, state} = State.take(state, id)

    state =
      case SendQueue.drop(state.send_queue, id) do
        {:dropped, send_queue} -> %{state | send_queue: send_queue}
        :sent -> state
      end

    Request.close(request)
    Telemetry.fail(request.telemetry, error, request.closed)
    if request.from, do: GenServer.reply(request.from, {:error, error})
    State.give_back(state, request.segments)
  end

  @doc "Cancels a request whose caller does not wait any more."
  @spec abandon(State.t(), Protocol.id()) :: State.t()
  def abandon(state, id) do
    %{^id => %Request{} = request} = state.pending
    state |> State.put_request(id, Request.abandon(request)) |> cancel(id)
  end

  @doc "Cancels a request whose caller has died."
  @spec caller_down(State.t(), Protocol.id(), reference()) :: State.t()
  def caller_down(state, id, monitor) do
    case state.pending do
      %{^id => %Request{monitor: ^monitor}} -> abandon(state, id)
      _done -> state
    end
  end

  @doc "Handles the end of a request's time. Python ends it; its caller waits for that, but not longer than its grace."
  @spec timed_out(State.t(), Protocol.id(), Request.token()) :: State.t()
  def timed_out(state, id, token) do
    case state.pending do
      %{^id => %Request{token: ^token} = request} ->
        unless_queued(state, id, Error.not_begun(request.timeout), &await_end(&1, id, &2))

      _done ->
        state
    end
  end

  defp await_end(state, id, request) do
    request = announce_timeout(request)
    # Python counts from when it got the request: one that it got late has time left there.
    state = if request.delayed, do: State.write(state, Protocol.request(:cancel, id, [])), else: state
    State.put_request(state, id, Request.grant_grace(request, id, :timeout))
  end

  # Without an end to its grace, the request may never have a reply.
  defp announce_timeout(%{from: from, task: true, grace: :infinity} = request) when from != nil do
    GenServer.reply(from, {:error, Error.timed_out(request.timeout)})
    Request.abandon(request)
  end

  defp announce_timeout(%{from: from, task: false} = request) when from != nil do
    GenServer.reply(from, {:timed_out, request.grace})
    request
  end

  defp announce_timeout(request), do: request

  @doc "Kills Python because a request did not end within its grace. Callers learn of it when the process is gone."
  @spec grace_expired(State.t(), Protocol.id(), Request.token()) :: State.t()
  def grace_expired(state, id, token) do
    case state.pending do
      %{^id => %Request{token: ^token} = request} ->
        state = State.measure_memory(state)
        PortProgram.kill(state.port_writer.port)
        %{state | grace_expired: [request | state.grace_expired]}

      _done ->
        state
    end
  end

  @doc "Reports the end of the session to telemetry, for all requests. Callers learn of it by the session's exit."
  @spec fail_all(State.t(), term()) :: :ok
  def fail_all(state, reason) do
    for {_id, %Request{} = request} <- state.pending do
      Telemetry.fail(request.telemetry, Error.session_ended(reason, request.token))
    end

    :ok
  end
end
