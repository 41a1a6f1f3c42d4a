defmodule PythonxPort.Client.Stream do
  @moduledoc false
  # The consumer's side of a stream: an enumerable whose items Python makes, only so many ahead of the consumer.
  #
  # The session passes on each frame of items as it comes, and the reply at the end. The consumer decodes the frames,
  # and grants more items when it has taken half of those that Python may be ahead, so that Python need not wait.

  alias PythonxPort.{Client, Error, Protocol, Request, Results, Telemetry}
  alias PythonxPort.Client.Responses

  # With so many items ahead, the cost of a frame and of a grant does not count; `make bench` measures it.
  @demand 256
  # Items that are granted ahead take about so many bytes at most, whatever the demand.
  @bytes_ahead 16 * 1024 * 1024

  @enforce_keys [:token, :process, :owner, :demand, :window, :ahead, :timeout, :deadline]
  # `window` is how many items Python may be ahead now, `ahead` how many are granted and not taken yet, `out` how many
  # of those were given to the consumer last.
  defstruct @enforce_keys ++ [out: 0, results: nil]

  @doc "See `PythonxPort.stream/3`."
  @spec new(Client.session(), Client.code(), keyword()) :: Enumerable.t()
  def new(session, code, options) do
    {start, options} = Client.stream(session, code, options, @demand)
    Stream.resource(fn -> start(start.(), options) end, &next/1, &stop/1)
  end

  defp start({:failed, error}, _options), do: raise(error)

  defp start({:sent, token, process}, options) do
    %__MODULE__{
      token: token,
      process: process,
      owner: self(),
      demand: options[:demand],
      window: options[:demand],
      ahead: Request.first_demand(options[:demand]),
      timeout: options[:timeout],
      deadline: deadline(options[:timeout])
    }
  end

  # A consumer that asks for more has taken what it was given.
  defp next(%__MODULE__{owner: owner} = stream) when owner == self() do
    %{stream | ahead: stream.ahead - stream.out, out: 0} |> grant() |> take()
  end

  defp next(%__MODULE__{owner: owner}) do
    raise ArgumentError, "a stream is run by one process, this one by #{inspect(owner)}"
  end

  defp grant(%{ahead: ahead, window: window} = stream) when 2 * ahead <= window do
    GenServer.cast(stream.process, {:next, stream.token, window - ahead})
    %{stream | ahead: window}
  end

  defp grant(stream), do: stream

  defp take(%{token: token, process: process} = stream) do
    case Responses.receive_message(token, remaining(stream.deadline)) do
      {:results, results} ->
        take(%{stream | results: results})

      {:items, frame} ->
        items = frame |> Protocol.items() |> Results.convert_value(stream.results, frame)
        give_out(stream, items, byte_size(frame))

      {:shared_items, frame, directory, segments} ->
        items = Protocol.items(frame)
        read = items |> Responses.read_segments(directory, segments, process) |> Error.value!()
        bytes = Telemetry.bulk_bytes(items, segments)
        give_out(stream, Results.convert_value(read, stream.results, frame), bytes)

      {:timed_out, grace} ->
        take(%{stream | deadline: now() + Request.reply_timeout(grace)})

      nil ->
        close(stream)
        GenServer.cast(process, {:abandon, token})
        raise Error.timed_out(stream.timeout, "the timeout of the stream")

      last ->
        close(stream)
        last |> Responses.last_result(token) |> Error.value!()
        {:halt, stream}
    end
  end

  defp give_out(stream, items, bytes) do
    count = length(items)
    window = div(@bytes_ahead * count, max(bytes, 1))
    {items, %{stream | out: count, window: window |> max(2) |> min(stream.demand)}}
  end

  # Also called if the consumer or `take/1` has raised. A stream that is over is closed already.
  defp stop(%__MODULE__{token: token} = stream) do
    if Responses.open?(token) do
      GenServer.cast(stream.process, {:close, token})
      await_end(stream)
    end
  end

  # Python closes the iterator, which may take a while; the session ends what takes longer than its grace.
  defp await_end(stream) do
    case Responses.receive_message(stream.token, :infinity) do
      {:shared_items, _frame, _directory, segments} ->
        GenServer.cast(stream.process, {:give_back, segments})
        await_end(stream)

      {kind, _not_the_end} when kind in [:items, :timed_out, :results] ->
        await_end(stream)

      _last ->
        close(stream)
    end
  end

  defp close(stream), do: Process.demonitor(stream.token, [:flush])

  defp deadline(timeout) when is_integer(timeout), do: now() + timeout + Request.clock_slack()
  defp deadline(_none), do: :infinity

  defp remaining(:infinity), do: :infinity
  defp remaining(deadline), do: max(deadline - now(), 0)

  defp now, do: System.monotonic_time(:millisecond)
end
