defmodule PythonxPort.Request do
  @moduledoc false
  # The caller's side of a request: its options, its bytes, and the wait for its result. Terms are encoded and
  # decoded here, in the calling process, so that a session's process only passes frames on.

  alias PythonxPort.{Bulk, Code, DefaultSession, Error, Object, Output, Protocol}

  @typedoc "A request under way, or the error that kept it from being sent."
  @type id :: {:sent, term(), pid() | {atom(), node()}, reference()} | {:failed, Error.t()}

  @type session :: GenServer.server() | :default
  @type code :: String.t() | Code.t()
  @type result :: {:ok, term()} | {:error, Error.t()}

  @code_options [:bindings, :binaries, :file, :line, :output, :return]
  @call_options [:binaries, :output, :return]

  # `info` is answered at once, also while Python computes.
  @info_timeout 5_000

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
    {timeout, options} = pop_timeout(options)
    session |> start_run(operation, code, options) |> receive_result(timeout)
  end

  @spec start_run(session(), :eval | :exec, code(), keyword()) :: id()
  def start_run(session, operation, code, options) do
    {source, place} = Code.split(code)
    # Options given by hand come before those that the code carries.
    options = place |> Keyword.merge(options) |> Keyword.validate!(@code_options)
    start(session, operation, [source, engine_options(options)], options)
  end

  @doc "Calls a Python function, and waits for its result."
  @spec call(session(), String.t() | Object.t(), [term()], keyword() | map(), keyword()) :: result()
  def call(session, target, args, kwargs, options) do
    {timeout, options} = pop_timeout(options)
    session |> start_call(target, args, kwargs, options) |> receive_result(timeout)
  end

  @spec start_call(session(), String.t() | Object.t(), [term()], keyword() | map(), keyword()) :: id()
  def start_call(session, target, args, kwargs, options)
      when is_list(args) and (is_binary(target) or is_struct(target, Object)) do
    options = Keyword.validate!(options, @call_options)
    start(session, :call, [target, args, names(kwargs), engine_options(options)], options)
  end

  @spec info(session()) :: result()
  def info(session), do: session |> start(:info, [], output: :ignore) |> receive_result(@info_timeout)

  @spec release(session(), [Object.t()]) :: :ok
  def release(session, objects) do
    refs = Enum.map(objects, fn %Object{ref: ref} -> ref end)
    session = if session == :default, do: DefaultSession.whereis(), else: session
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

  @doc "Waits for a result; after a timeout it can be waited for again."
  @spec await(id(), timeout()) :: result() | {:error, :timeout}
  def await({:failed, error}, _timeout), do: {:error, error}

  def await({:sent, request, process, _token}, timeout) do
    case :gen_server.wait_response(request, timeout) do
      :timeout -> {:error, :timeout}
      response -> result(response, process)
    end
  end

  @doc "The error for a session that ended, by the reason that its process ended with."
  @spec session_ended(term()) :: Error.t()
  def session_ended({%Error{} = error, _stacktrace}), do: error
  def session_ended({:shutdown, %Error{} = error}), do: error

  def session_ended({:shutdown, _reason}), do: session_ended(:shutdown)

  def session_ended(reason) when reason in [:normal, :shutdown] do
    %Error{kind: :shutdown, message: "the session was stopped before this request was done"}
  end

  def session_ended(:noproc), do: %Error{kind: :not_running, message: "there is no such session (any more)"}

  def session_ended(reason) do
    %Error{kind: :not_running, message: "the session ended: #{Exception.format_exit(reason)}"}
  end

  # Gives the request up where no result comes in time.
  defp receive_result({:failed, error}, _timeout), do: {:error, error}

  defp receive_result({:sent, request, process, token}, timeout) do
    case :gen_server.receive_response(request, timeout) do
      :timeout ->
        GenServer.cast(process, {:abandon, token})
        {:error, %Error{kind: :timeout, message: "no result came within #{timeout} ms"}}

      response ->
        result(response, process)
    end
  end

  defp start(:default, operation, elements, options) do
    case DefaultSession.fetch() do
      {:ok, session} -> start(session, operation, elements, options)
      {:error, error} -> {:failed, error}
    end
  end

  defp start(session, operation, elements, options) do
    output = Output.target(options[:output])

    case whereis(session) do
      nil -> {:failed, session_ended(:noproc)}
      process -> send_request(process, operation, elements, output)
    end
  end

  defp send_request(process, operation, elements, output) do
    {elements, segments} = Bulk.place(elements, &lend(process, &1))
    token = make_ref()
    request = {:request, operation, Protocol.body(elements), output, segments, token}
    {:sent, :gen_server.send_request(process, request), process, token}
  end

  defp lend(process, size) do
    GenServer.call(process, {:segment, size})
  catch
    # The session is gone, or does not come to it: the request itself tells.
    :exit, _reason -> nil
  end

  defp result({:reply, {:frame, frame}}, _process), do: Protocol.result(frame)
  defp result({:reply, {:error, error}}, _process), do: {:error, error}
  defp result({:error, {reason, _session}}, _process), do: {:error, session_ended(reason)}

  defp result({:reply, {:shared, frame, directory, segments}}, process) do
    {:ok, value} = Protocol.result(frame)
    fetched = Bulk.fetch(value, directory, segments)
    GenServer.cast(process, {:give_back, segments})
    fetched
  end

  defp pop_timeout(options) do
    case Keyword.pop(options, :timeout, :infinity) do
      {:infinity, options} -> {:infinity, options}
      {timeout, options} when is_integer(timeout) and timeout >= 0 -> {timeout, options}
      {timeout, _options} -> invalid(:timeout, timeout)
    end
  end

  defp engine_options(options) do
    if options[:line] && !options[:file], do: raise(ArgumentError, "option :line goes together with :file")

    for {key, value} <- options, key != :output, into: %{segments: Bulk.size()} do
      {key, engine_option(key, value)}
    end
  end

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
