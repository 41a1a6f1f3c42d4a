defmodule PythonxPort.Request do
  @moduledoc false
  # The caller's side of a request: its options, its bytes, and the wait for its result. Terms are encoded and
  # decoded here, in the calling process, so that a session's process only passes frames on.

  alias PythonxPort.{Code, DefaultSession, Error, Object, Output, Protocol}

  @typedoc "A request under way, or the error that kept it from being sent."
  @type id :: {:sent, term()} | {:failed, Error.t()}

  @type session :: GenServer.server() | :default
  @type code :: String.t() | Code.t()

  @run_options [:bindings, :binaries, :file, :line, :output, :return, :timeout]
  @call_options [:binaries, :output, :return, :timeout]

  @spec run(session(), :eval | :exec, code(), keyword()) :: id()
  def run(session, operation, code, options) do
    options = Keyword.validate!(options, @run_options)
    {source, options} = place(code, options)
    send(session, operation, [source, engine_options(options)], options)
  end

  @spec call(session(), String.t() | Object.t(), [term()], keyword() | map(), keyword()) :: id()
  def call(session, target, args, kwargs, options) when is_list(args) do
    options = Keyword.validate!(options, @call_options)
    send(session, :call, [target, args, names(kwargs), engine_options(options)], options)
  end

  @spec info(session()) :: id()
  def info(session), do: send(session, :info, [], output: :ignore)

  @doc "Waits for a result, and gives the request up where none comes in time."
  @spec receive(id(), timeout()) :: {:ok, term()} | {:error, Error.t()}
  def receive({:failed, error}, _timeout), do: {:error, error}

  def receive({:sent, request}, timeout) do
    case :gen_server.receive_response(request, timeout) do
      :timeout -> {:error, %Error{kind: :timeout, message: "no result came within #{timeout} ms"}}
      response -> result(response)
    end
  end

  @doc "Waits for a result; after a timeout it can be waited for again."
  @spec await(id(), timeout()) :: {:ok, term()} | {:error, Error.t()} | {:error, :timeout}
  def await({:failed, error}, _timeout), do: {:error, error}

  def await({:sent, request}, timeout) do
    case :gen_server.wait_response(request, timeout) do
      :timeout -> {:error, :timeout}
      response -> result(response)
    end
  end

  @doc "The error for a session that ended, by the reason that its process ended with."
  @spec session_ended(term()) :: Error.t()
  def session_ended(%Error{} = error), do: error
  def session_ended({:shutdown, %Error{} = error}), do: error
  def session_ended(:noproc), do: %Error{kind: :not_running, message: "there is no such session"}

  def session_ended(reason) do
    %Error{kind: :not_running, message: "the session ended: #{Exception.format_exit(reason)}"}
  end

  defp send(:default, operation, elements, options) do
    case DefaultSession.fetch() do
      {:ok, session} -> send(session, operation, elements, options)
      {:error, error} -> {:failed, error}
    end
  end

  defp send(session, operation, elements, options) do
    output = Output.target(options[:output])
    {:sent, :gen_server.send_request(session, {:request, operation, Protocol.body(elements), output})}
  end

  defp result({:reply, {:frame, frame}}), do: Protocol.result(frame)
  defp result({:reply, {:error, error}}), do: {:error, error}
  defp result({:error, {reason, _session}}), do: {:error, session_ended(reason)}

  # Options given by hand come before those that the code carries.
  defp place(%Code{} = code, options) do
    place = [file: code.file, line: code.line] |> Keyword.reject(fn {_key, value} -> value == nil end)
    {code.source, Keyword.merge(place, options)}
  end

  defp place(source, options) when is_binary(source), do: {source, options}

  defp engine_options(options) do
    for {key, value} <- options, key not in [:output, :timeout], into: %{} do
      {key, engine_option(key, value)}
    end
  end

  defp engine_option(:bindings, bindings), do: names(bindings)
  defp engine_option(:return, value) when value in [:value, :ref], do: value
  defp engine_option(:binaries, value) when value in [:str, :bytes], do: value
  defp engine_option(:file, value) when is_binary(value), do: value
  defp engine_option(:line, value) when is_integer(value) and value > 0, do: value

  defp engine_option(key, value) do
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

  defp name(name) when is_binary(name), do: name
  defp name(name) when is_atom(name) and name not in [nil, true, false], do: Atom.to_string(name)
  defp name(other), do: raise(ArgumentError, "a name is a string or an atom, got: #{inspect(other)}")
end
