defmodule PythonxPort.Client do
  @moduledoc false
  # The caller's side of a request: its options, its bytes, and the wait for its result. Terms are encoded and
  # decoded here, in the calling process, so that a session's process only passes frames on.
  #
  # A reference names a request: it monitors the session, replies come to it as an alias of the caller, and the session
  # knows the request by it. With the monitor the alias ends, and nothing that comes later reaches the caller.

  alias PythonxPort.{Code, Error, Object, Protocol, Request, Session, SharedMemory, Telemetry}

  @typedoc "A request under way, or the error that kept it from being sent."
  @type id :: {:sent, reference(), pid() | {atom(), node()}} | {:failed, Error.t()}

  @type session :: GenServer.server() | :default
  @type code :: String.t() | Code.t()
  @type result :: {:ok, term()} | {:error, Error.t()}

  @call_options [:binaries, :concurrent, :grace, :output, :return]
  @code_options [:bindings, :file, :line | @call_options]
  @stream_options [:bindings, :binaries, :demand, :file, :grace, :line, :output, :timeout]
  # Those that Python is not told of.
  @own_options [:demand, :grace, :output]
  # The longest that a process can wait for a message, in milliseconds, but for ten seconds.
  @max_timeout 0xFFFF_FFFF - 10_000

  # `info` is answered at once, also while Python computes.
  @info_timeout 5_000
  # How long a session may take to put so many bytes into shared memory.
  @place_timeout 5_000
  @bytes_per_ms 100_000

  @doc "What the arguments of `eval/1,2,3` and its like mean: session, code and options."
  @spec arguments(session() | code(), code() | keyword(), keyword()) :: {session(), code(), keyword()}
  def arguments(code, options, []) when (is_binary(code) or is_struct(code, Code)) and is_list(options) do
    {:default, code, options}
  end

  def arguments(session, code, options) when is_binary(code) or is_struct(code, Code) do
    {session, code, options}
  end

  @doc "Runs code, and waits for its result."
  @spec run(session(), :eval | :exec, code(), keyword()) :: result()
  def run(session, operation, code, options) do
    {source, options} = code_options(code, options, [:timeout | @code_options])

    session
    |> start(operation, [source, engine_options(options)], options)
    |> receive_result(options[:timeout])
  end

  @spec start_run(session(), :eval | :exec, code(), keyword()) :: id()
  def start_run(session, operation, code, options) do
    {source, options} = code_options(code, options, @code_options)
    start(session, operation, [source, engine_options(options)], options)
  end

  # Options given by hand come before those that the code carries.
  defp code_options(code, options, known) do
    {source, place} = Code.split(code)
    {source, place |> Keyword.merge(options) |> validate(known)}
  end

  @doc "Calls a Python function, and waits for its result."
  @spec call(session(), String.t() | Object.t(), [term()], keyword() | map(), keyword()) :: result()
  def call(session, target, args, kwargs, options) do
    options = validate(options, [:timeout | @call_options])
    session |> send_call(target, args, kwargs, options) |> receive_result(options[:timeout])
  end

  @spec start_call(session(), String.t() | Object.t(), [term()], keyword() | map(), keyword()) :: id()
  def start_call(session, target, args, kwargs, options) do
    send_call(session, target, args, kwargs, validate(options, @call_options))
  end

  defp send_call(session, target, args, kwargs, options)
       when is_list(args) and (is_binary(target) or is_struct(target, Object)) do
    start(session, :call, [target, args, names(kwargs), engine_options(options)], options)
  end

  @doc """
  What a stream is to be started with each time that it is run, and its options; they are checked here and now.

  `demand` is how many items Python may be ahead where the options do not say it.
  """
  @spec stream(session(), code(), keyword(), pos_integer()) :: {(() -> id()), keyword()}
  def stream(session, code, options, demand) do
    {source, options} = code_options(code, options, @stream_options)
    options = Keyword.put_new(options, :demand, demand)
    # Items in a frame: half of the demand, so that the next frame is made while one is taken.
    engine_options = Map.put(engine_options(options), :batch, div(options[:demand] + 1, 2))
    {fn -> start(session, :stream, [source, engine_options], options) end, options}
  end

  @spec info(session()) :: result()
  def info(session), do: session |> start(:info, [], output: :ignore) |> receive_result(@info_timeout)

  @spec release(session(), [Object.t()]) :: :ok
  def release(session, objects) do
    refs = Enum.map(objects, fn %Object{ref: ref} -> ref end)
    session = if session == :default, do: Session.Default.whereis(), else: session
    if session, do: GenServer.cast(session, {:release, refs})
    :ok
  end

  @doc "The process of a session, where there is one; never the calling process, which would wait for itself."
  @spec whereis(GenServer.server()) :: pid() | {atom(), node()} | nil
  def whereis(session) do
    process = GenServer.whereis(session)

    if process == self() do
      raise ArgumentError,
            "a function given as :output runs in the session, and cannot use the session itself"
    end

    process
  end

  @doc """
  Waits for a result. Where none comes in time the request is cancelled, and whatever it may still come to is dropped.
  """
  @spec await(id(), timeout()) :: result() | {:error, :timeout}
  def await({:failed, error}, _timeout), do: {:error, error}

  def await({:sent, request, process}, timeout) do
    # What is there needs no further look.
    case response(request, 0) || wait(request, timeout) do
      :expired ->
        give_up(request, process) || {:error, :timeout}

      :closed ->
        {:error, %Error{kind: :cancelled, message: "the request was cancelled, or its result given out"}}

      response ->
        result(response, request, process)
    end
  end

  defp wait(request, timeout) do
    if open?(request),
      do: response(request, timeout) || :expired,
      else: response(request, 0) || :closed
  end

  @doc "Whether what the session says of a request still reaches this process: an alias that has ended takes no message."
  @spec open?(reference()) :: boolean()
  def open?(request) do
    send(request, {request, :open})

    receive do
      {^request, :open} -> true
    after
      0 -> false
    end
  end

  @doc "Tells Python to end a request. What it comes to is its result."
  @spec cancel(id()) :: :ok
  def cancel({:failed, _error}), do: :ok
  def cancel({:sent, request, process}), do: GenServer.cast(process, {:cancel, request})

  @doc """
  The error for a session that ended, by the reason that its process ended with; of a request, where it is told which.
  """
  @spec session_ended(term(), reference() | nil) :: Error.t()
  def session_ended(reason, request \\ nil)

  def session_ended({%Error{overdue: []} = error, _stacktrace}, _request), do: error

  def session_ended({%Error{overdue: overdue} = error, _stacktrace}, request) do
    %{error | kind: if(request in overdue, do: :killed, else: error.kind), overdue: []}
  end

  def session_ended({:shutdown, %Error{} = error}, _request), do: error
  def session_ended({:shutdown, _reason}, request), do: session_ended(:shutdown, request)

  def session_ended(reason, _request) when reason in [:normal, :shutdown] do
    %Error{kind: :shutdown, message: "the session was stopped before this request was done"}
  end

  def session_ended(:noproc, _request),
    do: %Error{kind: :not_running, message: "there is no such session (any more)"}

  def session_ended(reason, _request) do
    %Error{kind: :not_running, message: "the session ended: #{Exception.format_exit(reason)}"}
  end

  # The time is Python's to watch, who ends the request in a way that the session survives; then the session's, which
  # tells when it begins to count. This is for where neither does: an answer comes in any case.
  defp receive_result({:failed, error}, _timeout), do: {:error, error}

  defp receive_result({:sent, request, process}, timeout) do
    case in_time(request, timeout) do
      nil -> give_up(request, process) || {:error, timed_out(timeout)}
      response -> result(response, request, process)
    end
  end

  defp in_time(request, timeout) when timeout in [nil, :infinity], do: response(request, :infinity)

  defp in_time(request, timeout) do
    case response(request, timeout + Request.slack()) do
      {:late, grace} -> response(request, Request.patience(grace))
      other -> other
    end
  end

  # Nothing comes any more; what has come already is the result after all.
  defp give_up(request, process) do
    Process.demonitor(request, [:flush])

    case response(request, 0) do
      nil ->
        GenServer.cast(process, {:abandon, request})
        nil

      {:late, _grace} ->
        give_up(request, process)

      response ->
        result(response, request, process)
    end
  end

  @doc "The next that a session says of a request, or the reason that it ended with; nil where nothing comes in time."
  @spec response(reference(), timeout()) :: term()
  def response(request, timeout) do
    receive do
      {[:alias | ^request], response} -> response
      {:DOWN, ^request, :process, _process, reason} -> {:down, reason}
    after
      timeout -> nil
    end
  end

  @spec timed_out(timeout()) :: Error.t()
  def timed_out(timeout), do: %Error{kind: :timeout, message: "no result came within #{timeout} ms"}

  defp start(:default, operation, elements, options) do
    case Session.Default.fetch() do
      {:ok, session} -> start(session, operation, elements, options)
      {:error, error} -> {:failed, error}
    end
  end

  defp start(session, operation, elements, options) do
    ticket = Request.new(operation, options)

    case whereis(session) do
      nil -> {:failed, session_ended(:noproc)}
      process -> send_request(process, elements, ticket)
    end
  end

  defp send_request(process, elements, ticket) do
    {elements, segments} = SharedMemory.place(elements, &put(process, &1))
    ticket = %{ticket | segments: segments, bulk_bytes: bulk_bytes(elements, segments)}
    request = :erlang.monitor(:process, process, alias: :demonitor)
    message = {:request, Protocol.body(elements), ticket}
    send(process, {:"$gen_call", {self(), [:alias | request]}, message})
    {:sent, request, process}
  end

  # What lies in segments, for telemetry.
  defp bulk_bytes(elements, segments) do
    if segments != [] and Telemetry.enabled?(), do: Telemetry.bulk_bytes(elements, segments), else: 0
  end

  defp put(process, binary) do
    GenServer.call(process, {:place, binary}, @place_timeout + div(byte_size(binary), @bytes_per_ms))
  catch
    # The session is gone, or does not come to it: the request itself tells.
    :exit, _reason -> nil
  end

  defp result(response, request, process) do
    Process.demonitor(request, [:flush])

    case response do
      {:shared, frame, directory, segments} -> fetch(frame, directory, segments, process)
      last -> last_result(last, request)
    end
  end

  @doc "The result in the last that comes of a request, where it is not in shared memory."
  @spec last_result(term(), reference()) :: result()
  def last_result({:frame, frame}, _request), do: Protocol.result(frame)
  def last_result({:error, error}, _request), do: {:error, error}
  def last_result({:down, reason}, request), do: {:error, session_ended(reason, request)}

  defp fetch(frame, directory, segments, process) do
    {:ok, value} = Protocol.result(frame)
    fetched = SharedMemory.fetch(value, directory, segments)
    GenServer.cast(process, {:give_back, segments})
    fetched
  end

  defp validate(options, known) do
    options = Keyword.validate!(options, known)
    Enum.each(options, &check/1)
    options
  end

  defp check({key, :infinity}) when key in [:timeout, :grace], do: :ok
  defp check({key, value}) when key in [:timeout, :grace] and value in 0..@max_timeout, do: :ok
  defp check({key, value}) when key in [:timeout, :grace], do: invalid(key, value)
  defp check({:demand, value}) when value in 1..1_000_000, do: :ok
  defp check({:demand, value}), do: invalid(:demand, value)
  defp check(_other), do: :ok

  defp engine_options(options) do
    if options[:line] && !options[:file], do: raise(ArgumentError, "option :line goes together with :file")

    always =
      if Telemetry.enabled?(),
        do: %{segments: SharedMemory.result_size(), timing: true},
        else: %{segments: SharedMemory.result_size()}

    for {key, value} <- options, key not in @own_options, value != :infinity, into: always do
      {key, engine_option(key, value)}
    end
  end

  defp engine_option(:timeout, value), do: value
  defp engine_option(:concurrent, value) when is_boolean(value), do: value

  defp engine_option(:bindings, bindings), do: names(bindings)
  defp engine_option(:return, value) when value in [:value, :ref], do: value
  defp engine_option(:binaries, value) when value in [:str, :bytes], do: value
  defp engine_option(:file, value) when is_binary(value), do: value
  defp engine_option(:line, value) when is_integer(value) and value > 0, do: value
  defp engine_option(key, value), do: invalid(key, value)

  @spec invalid(atom(), term()) :: no_return()
  defp invalid(key, value) do
    raise ArgumentError, "invalid value for option #{inspect(key)}: #{inspect(value)}"
  end

  # Names as Python has them, from a keyword list or a map; one given twice is refused, not dropped.
  defp names(pairs) when is_map(pairs) or is_list(pairs) do
    named = Map.new(pairs, fn {name, value} -> {name(name), value} end)

    if map_size(named) != Enum.count(pairs) do
      raise ArgumentError, "a name is given twice: #{inspect(Enum.map(pairs, &elem(&1, 0)))}"
    end

    named
  end

  defp names(other),
    do: raise(ArgumentError, "names and values are a keyword list or a map, got: #{inspect(other)}")

  defp name(name) when is_binary(name), do: name
  defp name(name) when is_atom(name) and name not in [nil, true, false], do: Atom.to_string(name)
  defp name(other), do: raise(ArgumentError, "a name is a string or an atom, got: #{inspect(other)}")
end
