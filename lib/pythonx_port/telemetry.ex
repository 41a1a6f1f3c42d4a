defmodule PythonxPort.Telemetry do
  @moduledoc """
  Executes events of [telemetry](https://hexdocs.pm/telemetry), if your application has it.

  The library does not depend on telemetry, and does nothing of this unless its module is loaded when a request is made,
  or when a session starts or ends. Times are in native units, sizes in bytes.

  ## Requests

  For each `eval`, `exec`, `call`, `assign` and `stream`, in the session's process:

  | event | when | measurements |
  | --- | --- | --- |
  | `[:pythonx_port, :request, :start]` | the session has the request | `system_time`, `monotonic_time` |
  | `[:pythonx_port, :request, :stop]` | the request has its value, or the consumer of a stream has read as much as it wanted | `duration`, `queue_time`, `run_time`, `bytes_in`, `bytes_out` |
  | `[:pythonx_port, :request, :exception]` | the request has an error | as for `:stop` |

    * `duration` - from sending the request to its reply
    * `queue_time`, `run_time` - how long it was queued in Python, and how long it ran there
    * `bytes_in`, `bytes_out` - how much Python read and wrote for it, shared memory included

  | metadata | value |
  | --- | --- |
  | `session` | the pid of the session |
  | `name` | the name of the session, or `nil` |
  | `operation` | `:eval`, `:exec`, `:call`, `:assign` or `:stream` |
  | `target` | what a `call` calls if it is named by a string, such as `"json.dumps"`; else `nil`: code and values could hold secrets |
  | `caller` | the pid of the process that made the request |
  | `error` | the `PythonxPort.Error`, or `nil` |
  | `kind`, `reason`, `stacktrace` | for `:exception` only: `:error`, the error and `[]`, as in `:telemetry.span/3` |

  Each start has one stop or one exception, also if the caller does not wait for the result any more.

  ## Sessions

  In the session's process:

  | event | when | measurements |
  | --- | --- | --- |
  | `[:pythonx_port, :session, :start]` | the session begins to start | `system_time`, `monotonic_time` |
  | `[:pythonx_port, :session, :ready]` | Python runs, and the `:init` code has run | `duration`, `memory` |
  | `[:pythonx_port, :session, :stop]` | the session ends as it should: it was stopped, or its owner or supervisor ended | `duration`, `memory` |
  | `[:pythonx_port, :session, :crash]` | the session ends for another reason: Python has ended, or could not be started | `duration`, `memory` |

    * `duration` - since the start: of a session that is ready how long it took, of one that ends how old it is
    * `memory` - what the Python process has in memory. It is missing if it is not known: on other systems than Linux,
      and at the end if the Python process had not been asked to end, or been killed, by the session.

  | metadata | value |
  | --- | --- |
  | `session` | the pid of the session |
  | `name` | the name of the session, or `nil` |
  | `python` | the interpreter that options or configuration name, or `nil` |
  | `reason` | for `:stop` and `:crash`: the reason that the process ends with |
  | `error` | for `:crash`: the `PythonxPort.Error` that callers get |

  Each start has one stop or one crash, unless the session's process is killed (`Process.exit(session, :kill)`).

  ## Environments

  When `PythonxPort.uv_init/1`, or the first session that needs it, looks for an environment and creates it if
  necessary, in the calling process:

  | event | measurements | metadata |
  | --- | --- | --- |
  | `[:pythonx_port, :uv_init, :start]` | `system_time`, `monotonic_time` | `python_version`: the option, or `nil` |
  | `[:pythonx_port, :uv_init, :stop]` | `duration` | also `python`: the path of the interpreter |
  | `[:pythonx_port, :uv_init, :exception]` | `duration` | also `kind`, `reason` (the `PythonxPort.Error`), `stacktrace` |

  Requirements may hold passwords of package indexes, and are left out.

  Handlers run in the process that executes the event. Those in a session's process should be quick, and cannot use the
  session itself.
  """

  alias PythonxPort.{Error, Protocol}

  @measured [:eval, :exec, :call, :assign, :stream]

  @typedoc false
  @type t :: map() | nil

  @doc "Returns whether telemetry is loaded."
  @spec enabled?() :: boolean()
  # The first handler loads the module at the latest. This looks it up, and loads nothing.
  def enabled?, do: :erlang.function_exported(:telemetry, :execute, 3)

  @typedoc false
  @type session :: %{
          name: GenServer.name() | nil,
          python: String.t() | nil,
          started_at: integer(),
          memory: non_neg_integer() | nil
        }

  @doc false
  # Reports a request of so many bytes that is being sent. Returns nil if it is not to be measured.
  @spec start(Protocol.operation(), pid(), map(), non_neg_integer()) :: t()
  def start(operation, caller, names, bytes) when operation in @measured do
    if enabled?() do
      {times, now} = start_times()
      metadata = Map.merge(names, %{session: self(), operation: operation, caller: caller, error: nil})
      execute([:request, :start], times, metadata)
      %{started: now, metadata: metadata, queue_time: 0, run_time: 0, bytes_in: bytes, bytes_out: 0}
    end
  end

  def start(_operation, _caller, _names, _bytes), do: nil

  defp start_times do
    now = System.monotonic_time()
    {%{system_time: System.system_time(), monotonic_time: now}, now}
  end

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
  # Reports the reply, in this frame and these segments. A stream that its consumer has closed has no error.
  @spec reply(t(), binary(), [pos_integer()], boolean()) :: :ok
  def reply(nil, _frame, _segments, _closed), do: :ok

  def reply(request, frame, [], closed) do
    stop(request, byte_size(frame), frame |> error() |> unless_closed(closed))
  end

  def reply(request, frame, segments, _closed) do
    {:ok, value} = Protocol.result(frame)
    stop(request, byte_size(frame) + bulk_bytes(value, segments), nil)
  end

  @doc false
  # Reports the error of a request that gets no reply.
  @spec fail(t(), Error.t(), boolean()) :: :ok
  def fail(request, error, closed \\ false)
  def fail(nil, _error, _closed), do: :ok
  def fail(request, error, closed), do: stop(request, 0, unless_closed(error, closed))

  defp unless_closed(%Error{kind: :cancelled}, true), do: nil
  defp unless_closed(error, _closed), do: error

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
      execute([:request, :exception], measurements, metadata)
    else
      execute([:request, :stop], measurements, request.metadata)
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
    apply(:telemetry, :execute, [[:pythonx_port | event], measurements, metadata])
    :ok
  end

  @doc false
  # Reports that the calling process, a session, begins to start.
  @spec session_start(session()) :: :ok
  def session_start(session) do
    if enabled?() do
      times = %{system_time: System.system_time(), monotonic_time: session.started_at}
      execute([:session, :start], times, session_metadata(session))
    end

    :ok
  end

  @doc false
  # Reports that a session is ready, and calls a function for the memory of its Python process.
  @spec session_ready(session(), (... -> non_neg_integer() | nil)) :: :ok
  def session_ready(session, memory) do
    if enabled?() do
      execute([:session, :ready], age(%{session | memory: memory.()}), session_metadata(session))
    end

    :ok
  end

  @doc false
  # Reports that a session ends, for this reason of its process.
  @spec session_end(session(), term()) :: :ok
  def session_end(session, reason) do
    if enabled?() do
      metadata = Map.put(session_metadata(session), :reason, reason)

      if stopped?(reason),
        do: execute([:session, :stop], age(session), metadata),
        else:
          execute([:session, :crash], age(session), Map.put(metadata, :error, Error.session_ended(reason)))
    end

    :ok
  end

  defp stopped?({:shutdown, %Error{}}), do: false
  defp stopped?({:shutdown, _reason}), do: true
  defp stopped?(reason), do: reason in [:normal, :shutdown]

  defp session_metadata(session), do: %{session: self(), name: session.name, python: session.python}

  defp age(session) do
    duration = System.monotonic_time() - session.started_at
    if session.memory, do: %{duration: duration, memory: session.memory}, else: %{duration: duration}
  end

  @doc false
  # Reports the search for an environment, and how it ended.
  @spec uv_init(map(), (... -> {:ok, Path.t()} | {:error, Error.t()})) ::
          {:ok, Path.t()} | {:error, Error.t()}
  def uv_init(metadata, function) do
    if enabled?(), do: span_uv_init(metadata, function), else: function.()
  end

  defp span_uv_init(metadata, function) do
    {times, started} = start_times()
    execute([:uv_init, :start], times, metadata)

    try do
      function.()
    catch
      kind, reason ->
        fail_uv_init(started, metadata, kind, reason, __STACKTRACE__)
        :erlang.raise(kind, reason, __STACKTRACE__)
    else
      {:ok, python} = result ->
        execute(
          [:uv_init, :stop],
          %{duration: System.monotonic_time() - started},
          Map.put(metadata, :python, python)
        )

        result

      {:error, error} = result ->
        fail_uv_init(started, metadata, :error, error, [])
        result
    end
  end

  defp fail_uv_init(started, metadata, kind, reason, stacktrace) do
    metadata = Map.merge(metadata, %{kind: kind, reason: reason, stacktrace: stacktrace})
    execute([:uv_init, :exception], %{duration: System.monotonic_time() - started}, metadata)
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
