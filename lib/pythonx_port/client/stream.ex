defmodule PythonxPort.Client.Stream do
  @moduledoc false
  # The consumer's side of a stream: an enumerable that has Python iterate, and stay only so far ahead.
  #
  # The session passes on each frame of items as it comes, and at last the reply. The consumer decodes, and grants
  # more items when half of what Python may be ahead is taken, so that Python need not wait for grants.

  alias PythonxPort.{Client, Error, Protocol, Request, SharedMemory, Telemetry}

  # So many that a frame's and a grant's own time do not count beside that of its items; `make bench` measures it.
  @demand 256
  # Until it is known how large they are.
  @first_demand 16
  # Items ahead take about so many bytes at most, whatever the demand.
  @bytes_ahead 16 * 1024 * 1024

  @enforce_keys [:request, :process, :owner, :demand, :window, :ahead, :timeout, :deadline]
  # `window` is how many items Python may be ahead now, `ahead` how many were granted and not taken yet, `out` how
  # many of them were given out last.
  defstruct @enforce_keys ++ [out: 0]

  @doc "How many items are granted before the first has come, of a stream with such a demand."
  @spec first_demand(pos_integer()) :: pos_integer()
  def first_demand(demand), do: min(demand, @first_demand)

  @doc "See `PythonxPort.stream/3`."
  @spec new(Client.session(), Client.code(), keyword()) :: Enumerable.t()
  def new(session, code, options) do
    {start, options} = Client.stream(session, code, options, @demand)
    Stream.resource(fn -> start(start.(), options) end, &next/1, &stop/1)
  end

  defp start({:failed, error}, _options), do: raise(error)

  defp start({:sent, request, process}, options) do
    %__MODULE__{
      request: request,
      process: process,
      owner: self(),
      demand: options[:demand],
      window: options[:demand],
      ahead: first_demand(options[:demand]),
      timeout: options[:timeout],
      deadline: deadline(options[:timeout])
    }
  end

  # To be asked for more means that what was given out is taken.
  defp next(%__MODULE__{owner: owner} = stream) when owner == self() do
    %{stream | ahead: stream.ahead - stream.out, out: 0} |> grant() |> take()
  end

  defp next(%__MODULE__{owner: owner}) do
    raise ArgumentError, "a stream is run by one process, this one by #{inspect(owner)}"
  end

  defp grant(%{ahead: ahead, window: window} = stream) when 2 * ahead <= window do
    GenServer.cast(stream.process, {:next, stream.request, window - ahead})
    %{stream | ahead: window}
  end

  defp grant(stream), do: stream

  defp take(%{request: request} = stream) do
    case Client.response(request, left(stream.deadline)) do
      {:items, frame} ->
        give_out(stream, Protocol.items(frame), byte_size(frame))

      {:shared_items, frame, directory, segments} ->
        items = Protocol.items(frame)
        fetched = SharedMemory.fetch(items, directory, segments)
        GenServer.cast(stream.process, {:give_back, segments})
        give_out(stream, Error.value!(fetched), Telemetry.bulk_bytes(items, segments))

      {:late, grace} ->
        take(%{stream | deadline: now() + Request.patience(grace)})

      nil ->
        close(stream)
        GenServer.cast(stream.process, {:abandon, request})
        raise Client.timed_out(stream.timeout)

      last ->
        close(stream)
        last |> Client.last_result(request) |> Error.value!()
        {:halt, stream}
    end
  end

  defp give_out(stream, items, bytes) do
    count = length(items)
    window = div(@bytes_ahead * count, max(bytes, 1))
    {items, %{stream | out: count, window: window |> max(2) |> min(stream.demand)}}
  end

  # Also called where the consumer or `take/1` has raised; the stream is closed then, where it was over.
  defp stop(%__MODULE__{request: request} = stream) do
    if Client.open?(request) do
      GenServer.cast(stream.process, {:cancel, request})
      await_end(stream)
    end
  end

  # Python closes the iterator, which may take a while; the session ends what takes longer than it may.
  defp await_end(stream) do
    case Client.response(stream.request, :infinity) do
      {:shared_items, _frame, _directory, segments} ->
        GenServer.cast(stream.process, {:give_back, segments})
        await_end(stream)

      {kind, _not_the_end} when kind in [:items, :late] ->
        await_end(stream)

      _last ->
        close(stream)
    end
  end

  defp close(stream), do: Process.demonitor(stream.request, [:flush])

  defp deadline(timeout) when is_integer(timeout), do: now() + timeout + Request.slack()
  defp deadline(_none), do: :infinity

  defp left(:infinity), do: :infinity
  defp left(deadline), do: max(deadline - now(), 0)

  defp now, do: System.monotonic_time(:millisecond)
end
