defmodule PythonxPort.Client do
  @moduledoc false
  # The caller's side of a request: checks its options, encodes and sends it, waits for its result. Terms are encoded
  # and decoded here, in the calling process, so that a session's process only passes frames on.
  #
  # One reference names a request: it monitors the session, the session knows the request by it, and replies come to it
  # as an alias of the caller. The alias ends with the monitor; nothing that comes later reaches the caller.

  alias PythonxPort.{
    Arguments,
    Code,
    Error,
    Object,
    Protocol,
    Request,
    Results,
    SharedMemory,
    Structs,
    Telemetry
  }

  alias PythonxPort.Client.Arguments, as: RequestArguments
  alias PythonxPort.Client.Responses

  @typedoc "A request under way, or the error that kept it from being sent."
  @type id :: sent() | {:failed, Error.t()}

  @type sent :: Responses.sent()

  @typedoc "A session, or a function that finds it, which is called when the request is sent."
  @type session :: GenServer.server() | (... -> {:ok, pid()} | {:error, Error.t()})

  @type code :: String.t() | Code.t()
  @type result :: Responses.result()

  @call_options [:binaries, :concurrent, :decode, :grace, :max_result, :output, :return, :tensors]
  @code_options [:bindings, :file, :line | @call_options]
  @assign_options [:binaries, :grace, :output, :timeout]
  @stream_options [:bindings, :binaries, :decode, :demand, :file, :grace, :line, :max_result] ++
                    [:output, :return, :tensors, :timeout]
  # These are not passed on to Python.
  @own_options [:decode, :demand, :grace, :output, :tensors]
  # The most lines that Python counts.
  @max_line 1_000_000

  # `info` is answered at once, also while Python computes.
  @info_timeout 5_000
  # How long a session may take to put a binary into shared memory, and how many bytes more it takes in a millisecond.
  @upload_timeout 5_000
  @bytes_per_ms 100_000

  # -- requests that are waited for -----------------------------------------------------------------------------------

  @doc "Runs code, and waits for its result."
  @spec run(session(), :eval | :exec, code(), keyword()) :: result()
  def run(session, operation, code, options) do
    {source, options} = code_options(code, options, [:timeout | @code_options])

    session
    |> start(operation, [source, engine_options(options)], options)
    |> await_result(options[:timeout])
  end

  @doc "Calls a Python function, and waits for its result."
  @spec call(session(), String.t() | Object.t(), [term()], keyword() | map(), keyword()) :: result()
  def call(session, target, args, kwargs, options) do
    options = validate(options, [:timeout | @call_options])

    session
    |> start(:call, call_elements(target, args, kwargs, options), [{:target, target} | options])
    |> await_result(options[:timeout])
  end

  @doc "Sets variables of the session, and waits until they are set."
  @spec assign(session(), keyword() | map(), keyword()) :: result()
  def assign(session, variables, options) do
    options = validate(options, @assign_options)

    session
    |> start(:assign, [RequestArguments.names(variables), engine_options(options)], options)
    |> await_result(options[:timeout])
  end

  @doc "Asks a session what it does and has."
  @spec info(session()) :: result()
  def info(session), do: session |> start(:info, [], output: :ignore) |> await_result(@info_timeout)

  # -- requests that are awaited later --------------------------------------------------------------------------------

  @doc "Starts to run code; `await/2` waits for its result."
  @spec start_run(session(), :eval | :exec, code(), keyword()) :: id()
  def start_run(session, operation, code, options) do
    {source, options} = code_options(code, options, [:timeout | @code_options])
    start(session, operation, [source, engine_options(options)], [{:task, true} | options])
  end

  @doc "Starts to call a Python function; `await/2` waits for its result."
  @spec start_call(session(), String.t() | Object.t(), [term()], keyword() | map(), keyword()) :: id()
  def start_call(session, target, args, kwargs, options) do
    options = validate(options, [:timeout | @call_options])
    elements = call_elements(target, args, kwargs, options)
    start(session, :call, elements, [{:task, true}, {:target, target} | options])
  end

  @doc """
  Checks the arguments of a stream; returns a function that starts it, and the options.

  `demand` is how many items Python may be ahead by default.
  """
  @spec stream(session(), code(), keyword(), pos_integer()) :: {(... -> id()), keyword()}
  def stream(session, code, options, demand) do
    {source, options} = code_options(code, options, @stream_options)
    # References are owned by the process that has them as a result; items have no such owner.
    if options[:return] == :ref, do: Arguments.refuse_option(:return, :ref, ":value or :rich for a stream")
    options = Keyword.put_new(options, :demand, demand)
    # Items in a frame: half of the demand, so that Python makes the next frame while the consumer takes one.
    engine_options = Map.put(engine_options(options), :batch, div(options[:demand] + 1, 2))
    {fn -> start(session, :stream, [source, engine_options], options) end, options}
  end

  @doc """
  Waits for the result of a request. If none comes in time the request is cancelled, and its result is dropped.
  """
  @spec await(sent(), timeout()) :: result() | {:error, :timeout}
  def await({:sent, token, _process} = id, timeout) do
    # A response that has arrived needs no look at the alias.
    response = Responses.receive_message(token, 0) || await_response(id, timeout)
    Responses.to_result(response, id)
  end

  defp await_response({:sent, token, _process} = id, timeout) do
    if Responses.open?(token),
      do: Responses.receive_response(id, timeout),
      else: Responses.receive_message(token, 0) || :closed
  end

  @doc "Cancels a request; `await/2` still returns what it comes to."
  @spec cancel(sent()) :: :ok
  def cancel({:sent, _token, nil}), do: :ok
  def cancel({:sent, token, process}), do: GenServer.cast(process, {:cancel, token})

  # -- requests without a result --------------------------------------------------------------------------------------

  @doc "Releases objects that Python keeps for this session."
  @spec release(GenServer.server() | nil, [Object.t()]) :: :ok
  def release(nil, _objects), do: :ok

  def release(session, objects) do
    GenServer.cast(session, {:release, Enum.map(objects, fn %Object{ref: ref} -> ref end)})
  end

  @doc "Stops a session; returns when its process has ended, so that its name is free again."
  @spec stop(GenServer.server(), timeout()) :: :ok
  def stop(session, timeout) do
    if process = whereis(session) do
      monitor = Process.monitor(process)
      GenServer.cast(process, {:stop, timeout})

      receive do
        {:DOWN, ^monitor, :process, _process, _reason} -> :ok
      end
    else
      :ok
    end
  end

  # -- sending --------------------------------------------------------------------------------------------------------

  defp call_elements(target, args, kwargs, options) do
    [target, args, RequestArguments.names(kwargs), engine_options(options)]
  end

  defp start(find_session, operation, elements, options) when is_function(find_session, 0) do
    case find_session.() do
      {:ok, session} -> start(session, operation, elements, options)
      {:error, error} -> {:failed, error}
    end
  end

  defp start(session, operation, elements, options) do
    request = Request.new(operation, options)

    case whereis(session) do
      nil -> {:failed, Error.no_session(session)}
      process -> send_request(process, elements, request)
    end
  end

  # Never the calling process, which would wait for itself.
  defp whereis(session) do
    process = GenServer.whereis(session)

    if process == self() do
      raise ArgumentError,
            "a function given as :output runs in the session, and cannot use the session itself"
    end

    process
  end

  # OTP has this form of tag, an improper list, for replies by alias.
  @dialyzer {:no_improper_lists, send_request: 3}
  defp send_request(process, elements, request) do
    elements = if on_this_node?(process), do: elements, else: without_segments(elements)
    {elements, segments, body} = encode(process, elements)
    request = %{request | segments: segments, bulk_bytes: bulk_bytes(elements, segments)}
    token = :erlang.monitor(:process, process, alias: :demonitor)
    message = {:request, body, request}
    send(process, {:"$gen_call", {self(), [:alias | token]}, message})
    {:sent, token, process}
  end

  # Segments are files of the session's host, and this node may be on another one: results come through the pipe, and
  # then over the connection of the nodes. What goes to Python is still written into segments, by the session.
  defp on_this_node?(process) when is_pid(process), do: node(process) == node()
  defp on_this_node?({_name, node}), do: node == node()

  # The options are the last element, if there are any.
  defp without_segments([]), do: []
  defp without_segments(elements), do: List.update_at(elements, -1, &Map.delete(&1, :segment_ids))

  # Large binaries go first, so that the search for structs in the encoded bytes need not pass them.
  defp encode(process, elements) do
    {elements, segments} = SharedMemory.place(elements, &upload(process, &1))
    body = Protocol.body(elements)

    if Structs.encoders?() and Structs.in_bytes?(body) and Structs.encodable?(elements),
      do: encode_structs(process, elements, segments),
      else: {elements, segments, body}
  end

  defp encode_structs(process, elements, segments) do
    {elements, more} =
      elements |> replace_structs(process, segments) |> SharedMemory.place(&upload(process, &1))

    {elements, segments ++ more, Protocol.body(elements)}
  end

  # What an implementation raises is the caller's; the segments are given back.
  defp replace_structs(elements, process, segments) do
    Structs.replace(elements)
  catch
    kind, reason ->
      if segments != [], do: GenServer.cast(process, {:give_back, segments})
      :erlang.raise(kind, reason, __STACKTRACE__)
  end

  # The bytes of the request that are in segments, for telemetry and the limit of the queue.
  defp bulk_bytes(elements, segments) do
    if segments != [], do: Telemetry.bulk_bytes(elements, segments), else: 0
  end

  defp upload(process, binary) do
    GenServer.call(process, {:upload, binary}, @upload_timeout + div(byte_size(binary), @bytes_per_ms))
  catch
    # The session has ended, or is too busy: the request itself will report it.
    :exit, _reason -> nil
  end

  # -- receiving ------------------------------------------------------------------------------------------------------

  defp await_result({:failed, error}, _timeout), do: {:error, error}

  # Python watches the time, and ends the request in a way that the session survives; the session watches it, too, and
  # says when the time is over. The caller's own clock is for the case that neither answers.
  defp await_result({:sent, _token, _process} = id, timeout) do
    limit = if is_integer(timeout), do: timeout + Request.clock_slack(), else: :infinity

    case id |> Responses.receive_response(limit) |> Responses.to_result(id) do
      {:error, :timeout} -> {:error, Error.timed_out(timeout)}
      result -> result
    end
  end

  # -- options --------------------------------------------------------------------------------------------------------

  # Options given by hand come before those that the code carries.
  defp code_options(code, options, known) do
    {source, place} = Code.split(code)
    {source, Keyword.merge(place, validate(options, known))}
  end

  defp validate(options, known) do
    options = Arguments.options!(options, known, "a request")
    Enum.each(options, &check/1)
    options
  end

  defp check({key, value}) when key in [:timeout, :grace] do
    if not Arguments.timeout?(value), do: Arguments.refuse_option(key, value, "milliseconds, or :infinity")
  end

  defp check({:demand, value}) when value in 1..1_000_000, do: :ok

  defp check({:demand, value}),
    do: Arguments.refuse_option(:demand, value, "a number of items, from 1 to 1_000_000")

  defp check({key, value}) when key in [:decode, :tensors] do
    if not Results.valid?(key, value), do: Arguments.refuse_option(key, value, Results.expected(key))
  end

  defp check(_other), do: :ok

  defp engine_options(options) do
    if options[:line] && !options[:file], do: raise(ArgumentError, "option :line goes together with :file")

    always = %{segment_ids: SharedMemory.result_size()}
    always = if Telemetry.enabled?(), do: Map.put(always, :timing, true), else: always

    for {key, value} <- options,
        key not in @own_options,
        value != :infinity,
        into: Results.put_types(always, options) do
      {key, engine_option(key, value)}
    end
  end

  defp engine_option(:timeout, value), do: value
  defp engine_option(:concurrent, value) when is_boolean(value), do: value

  defp engine_option(:bindings, bindings), do: RequestArguments.names(bindings)
  defp engine_option(:captured, variables), do: RequestArguments.names(variables)
  defp engine_option(:return, value) when value in [:value, :ref, :rich], do: value
  defp engine_option(:binaries, value) when value in [:str, :bytes], do: value
  defp engine_option(:max_result, value) when value in 1..0x7FFF_FFFF_FFFF_FFFF, do: value
  defp engine_option(:file, value) when is_binary(value), do: value
  defp engine_option(:line, value) when value in 1..@max_line, do: value
  defp engine_option(key, value), do: Arguments.refuse_option(key, value, expected(key))

  defp expected(:concurrent), do: "true or false"
  defp expected(:return), do: ":value, :ref or :rich"
  defp expected(:binaries), do: ":str or :bytes"
  defp expected(:max_result), do: "a number of bytes, at least 1"
  defp expected(:file), do: "the name of a file, as a string"
  defp expected(:line), do: "the number of a line, from 1 to 1_000_000"
end
