defmodule PythonxPort.Client.Responses do
  @moduledoc false
  # Receives what a session says of a request, in the process that made it, and makes the result of that: decodes it, and
  # reads what is in segments.

  alias PythonxPort.{Error, Object, Protocol, Request, Results, SharedMemory}

  @typedoc "What ends the wait for a result; `:closed` if the caller has cancelled the request, or has its result."
  @type t :: Request.message() | {:down, reason :: term()} | :timeout | :closed

  @typedoc "The process of a session."
  @type process :: pid() | {atom(), node()}

  @typedoc "A request under way, and the process that has it: nil if it was not sent, and its reply is an error."
  @type sent :: {:sent, Request.token(), process() | nil}

  @type result :: {:ok, term()} | {:error, Error.t()}

  # How long a session may take to send a piece of a result through the pipe, if the file that it is in is not readable.
  @fetch_timeout 60_000

  @doc "Returns the last that the session says of a request, or `:timeout`; then nothing of it comes any more."
  @spec receive_response(sent(), timeout()) :: t()
  def receive_response({:sent, token, _process} = id, timeout) do
    response =
      case receive_message(token, timeout) do
        {:timed_out, grace} -> receive_message(token, Request.reply_timeout(grace))
        response -> response
      end

    response || give_up(id)
  end

  # A response that has arrived meanwhile is the result after all.
  defp give_up({:sent, token, process} = id) do
    Process.demonitor(token, [:flush])

    case receive_message(token, 0) do
      nil ->
        GenServer.cast(process, {:abandon, token})
        :timeout

      {:timed_out, _grace} ->
        give_up(id)

      response ->
        response
    end
  end

  @doc "Returns the result in a response, and ends the request's monitor and alias."
  @spec to_result(t(), sent()) :: result() | {:error, :timeout}
  def to_result(:timeout, _id), do: {:error, :timeout}

  def to_result(:closed, _id) do
    {:error, %Error{kind: :cancelled, message: "the request was cancelled, or its result given out"}}
  end

  def to_result({:results, results, {:object, value}}, {:sent, token, _process}) do
    Process.demonitor(token, [:flush])
    {:ok, Results.convert_reference(value, results)}
  end

  def to_result({:results, results, response}, id) do
    response |> to_result(id) |> Results.convert(results, elem(response, 1))
  end

  def to_result(response, {:sent, token, process}) do
    Process.demonitor(token, [:flush])

    case response do
      {:shared, frame, directory, segments} ->
        {:ok, value} = Protocol.result(frame)
        read_segments(value, directory, segments, process)

      response ->
        last_result(response, token)
    end
  end

  @doc "Returns the result in the last message of a request, unless it is in shared memory."
  @spec last_result(
          {:frame, binary()} | {:object, Object.t()} | {:error, Error.t()} | {:down, term()},
          Request.token()
        ) :: result()
  def last_result({:frame, frame}, _token), do: Protocol.result(frame)
  def last_result({:object, object}, _token), do: {:ok, object}
  def last_result({:error, error}, _token), do: {:error, error}
  def last_result({:down, reason}, token), do: {:error, Error.session_ended(reason, token)}

  @doc "Puts the bytes of segments into a value, and gives the segments back."
  @spec read_segments(term(), Path.t() | nil, Request.segments(), process()) :: result()
  def read_segments(value, directory, segments, process) do
    result = SharedMemory.fetch(value, directory, segments, &fetch_piece(process, &1, &2, &3))
    GenServer.cast(process, {:give_back, segments})
    result
  end

  # Gets bytes of a segment through the pipe. The segment is leased until it is given back, or the session ends.
  defp fetch_piece(process, number, offset, length) do
    process |> GenServer.call({:fetch, number, offset, length}, @fetch_timeout) |> Protocol.result()
  catch
    :exit, {:timeout, _call} -> {:error, Error.timed_out(@fetch_timeout)}
    :exit, {reason, _call} -> {:error, Error.session_ended(reason)}
  end

  @doc "Sends this process the error of a request that could not be sent, as a session does."
  @spec reply_to_self(Request.token(), Error.t()) :: :ok
  # OTP has this form of tag, an improper list, for replies by alias.
  @dialyzer {:no_improper_lists, reply_to_self: 2}
  def reply_to_self(token, error) do
    send(self(), {[:alias | token], {:error, error}})
    :ok
  end

  @doc "Returns which request a message is about, and the response in it; nil if it is about none."
  @spec in_message(term()) :: {Request.token(), t()} | nil
  def in_message({[:alias | token], response}) when is_reference(token), do: {token, response}
  def in_message({:DOWN, token, :process, process, reason}), do: {token, down(process, reason)}
  def in_message(_other), do: nil

  defp down(process, :noproc), do: {:error, Error.no_session(process)}
  defp down(_process, reason), do: {:down, reason}

  @doc "Returns the next message about a request, or why the session ended; nil if none comes in time."
  @spec receive_message(Request.token(), timeout()) :: Request.message() | {:down, term()} | nil
  def receive_message(token, timeout) do
    receive do
      {[:alias | ^token], message} -> message
      {:DOWN, ^token, :process, process, reason} -> down(process, reason)
    after
      timeout -> nil
    end
  end

  @doc "Returns whether messages about a request still reach this process: an alias that has ended takes none."
  @spec open?(Request.token()) :: boolean()
  def open?(token) do
    send(token, {token, :open})

    receive do
      {^token, :open} -> true
    after
      0 -> false
    end
  end
end
