defmodule PythonxPort.Telemetry do
  @moduledoc """
  Executes events of [telemetry](https://hexdocs.pm/telemetry), if your application has it.

  The library does not depend on telemetry. If its module is loaded when a request is made, the session executes, for
  each `eval`, `exec`, `call`, `assign` and `stream`:

    * `[:pythonx_port, :request, :start]` - measurements `system_time` and `monotonic_time`
    * `[:pythonx_port, :request, :stop]` - the request has its value; measurements
        * `duration` - from sending the request to its reply
        * `queue_time`, `run_time` - how long it was queued in Python, and how long it ran there
        * `bytes_in`, `bytes_out` - how much Python read and wrote for it, shared memory included
    * `[:pythonx_port, :request, :exception]` - the request has an error; the same measurements

  Times are in native units. Metadata are `session` (its pid), `operation`, `caller` (a pid) and `error`, which is
  `nil` or the `PythonxPort.Error`. An exception also has `kind`, `reason` and `stacktrace`, as in
  `:telemetry.span/3`.

  Each start has one stop or one exception, also if the caller does not wait for the result any more. Handlers run in
  the session's process: they should be quick, and cannot use the session itself.
  """

  alias PythonxPort.{Error, Protocol}

  @measured [:eval, :exec, :call, :assign, :stream]

  @typedoc false
  @type t :: map() | nil

  @doc "Returns whether telemetry is loaded."
  @spec enabled?() :: boolean()
  # The first handler loads the module at the latest. This looks it up, and loads nothing.
  def enabled?, do: :erlang.function_exported(:telemetry, :execute, 3)

  @doc false
  # Reports a request of so many bytes that is being sent. Returns nil if it is not to be measured.
  @spec start(Protocol.operation(), pid(), non_neg_integer()) :: t()
  def start(operation, caller, bytes) when operation in @measured do
    if enabled?() do
      now = System.monotonic_time()
      metadata = %{session: self(), operation: operation, caller: caller, error: nil}
      execute(:start, %{system_time: System.system_time(), monotonic_time: now}, metadata)
      %{started: now, metadata: metadata, queue_time: 0, run_time: 0, bytes_in: bytes, bytes_out: 0}
    end
  end

  def start(_operation, _caller, _bytes), do: nil

  @doc false
  # Adds Python's measurements of the request, in microseconds.
  @spec timing(t(), non_neg_integer(), non_neg_integer()) :: t()
  def timing(nil, _queue_us, _run_us), do: nil

  def timing(request, queue_us, run_us) do
    %{request | queue_time: native(queue_us), run_time: native(run_us)}
  end

  @doc false
  # Adds a frame with items, and the segments that they are in.
  @spec items(t(), binary(), [pos_integer()]) :: t()
  def items(nil, _frame, _segments), do: nil

  def items(request, frame, segments) do
    bytes = byte_size(frame) + if(segments == [], do: 0, else: bulk_bytes(Protocol.items(frame), segments))
    %{request | bytes_out: request.bytes_out + bytes}
  end

  @doc false
  # Reports the reply, in this frame and these segments.
  @spec reply(t(), binary(), [pos_integer()]) :: :ok
  def reply(nil, _frame, _segments), do: :ok
  def reply(request, frame, []), do: stop(request, byte_size(frame), error(frame))

  def reply(request, frame, segments) do
    {:ok, value} = Protocol.result(frame)
    stop(request, byte_size(frame) + bulk_bytes(value, segments), nil)
  end

  @doc false
  # Reports the error of a request that gets no reply.
  @spec fail(t(), Error.t()) :: :ok
  def fail(nil, _error), do: :ok
  def fail(request, error), do: stop(request, 0, error)

  defp stop(request, bytes, error) do
    measurements = %{
      duration: System.monotonic_time() - request.started,
      queue_time: request.queue_time,
      run_time: request.run_time,
      bytes_in: request.bytes_in,
      bytes_out: request.bytes_out + bytes
    }

    if error do
      metadata = Map.merge(request.metadata, %{error: error, kind: :error, reason: error, stacktrace: []})
      execute(:exception, measurements, metadata)
    else
      execute(:stop, measurements, request.metadata)
    end
  end

  # Decodes errors, but no values.
  defp error(frame) do
    if Protocol.error?(frame) do
      {:error, error} = Protocol.result(frame)
      error
    end
  end

  # Called by name, since this library is compiled without the module.
  defp execute(event, measurements, metadata) do
    apply(:telemetry, :execute, [[:pythonx_port, :request, event], measurements, metadata])
    :ok
  end

  defp native(microseconds), do: System.convert_time_unit(microseconds, :microsecond, :native)

  @doc false
  # Returns how many bytes of a request or a result are in segments.
  @spec bulk_bytes(term(), [pos_integer()]) :: non_neg_integer()
  def bulk_bytes({:"$segment", number, _offset, size}, numbers), do: if(number in numbers, do: size, else: 0)

  def bulk_bytes({:"$segment", number, _fd, _offset, size, _whole, _device, _inode}, numbers),
    do: if(number in numbers, do: size, else: 0)

  def bulk_bytes(%{} = map, numbers), do: map |> :maps.values() |> bulk_bytes(numbers)
  def bulk_bytes([item | rest], numbers), do: bulk_bytes(item, numbers) + bulk_bytes(rest, numbers)
  def bulk_bytes(tuple, numbers) when is_tuple(tuple), do: tuple |> Tuple.to_list() |> bulk_bytes(numbers)
  def bulk_bytes(_other, _numbers), do: 0
end
