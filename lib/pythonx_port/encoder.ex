defprotocol PythonxPort.Encoder do
  @moduledoc """
  Says what Python gets for a struct.

  Without an implementation, a struct that has a form of its own in Python (`Date`, `MapSet`, `PythonxPort.Tensor` …)
  is converted to that, and any other is a `dict` with all of its fields and the key `__struct__`. With one, Python gets
  what `encode/1` returns, wherever the struct stands: in bindings and arguments, in `PythonxPort.assign/3` and in what
  functions return that Python calls, also deep inside maps (as values and keys), lists, tuples and other structs.

  ## Deriving

      defmodule MyApp.User do
        @derive {PythonxPort.Encoder, only: [:name, :email]}
        defstruct [:name, :email, :password_hash]
      end

  Python gets a `dict` of these fields, without `__struct__`: `user["name"]`. Options:

    * `:only` - the fields that Python gets.
    * `:except` - the fields that it does not get.

  Without options it gets all fields. For a struct of another library, use `Protocol.derive/3`.

  ## Implementing

      defimpl PythonxPort.Encoder, for: Money do
        def encode(money), do: Decimal.new(1, money.amount, -2)
      end

  What `encode/1` returns may contain other structs, which are encoded in turn. It may return a struct of the same
  type, to change some fields; then it is not called again for it. What it raises reaches the caller of
  `PythonxPort.eval/3`, or is an `erlang.Error` in Python if Python called the function that returned the struct.

  The structs `PythonxPort.Bytes`, `PythonxPort.Object`, `PythonxPort.Tensor` and `Nx.Tensor` keep their form, and an
  implementation for what is no struct (`Integer`, `Map` …) is not used.

  ## What it costs

  Nothing, as long as the application has no implementation. With one, the library looks for the key `__struct__` in
  the bytes of each request, which takes about a hundredth of the time of a request with a list of 100,000 integers or
  small maps; only values that have structs are walked through. This relies on the protocol being consolidated, as it is
  in a Mix project by default.
  """

  @doc "Returns what Python gets for a struct."
  @spec encode(t()) :: term()
  def encode(struct)
end

defimpl PythonxPort.Encoder, for: Any do
  defmacro __deriving__(module, struct, options) do
    fields = fields(module, Map.keys(struct) -- [:__struct__], options)

    quote do
      defimpl PythonxPort.Encoder, for: unquote(module) do
        def encode(struct), do: Map.take(struct, unquote(fields))
      end
    end
  end

  defp fields(_module, all, []), do: all
  defp fields(module, all, only: fields), do: known(module, all, fields)
  defp fields(module, all, except: fields), do: all -- known(module, all, fields)

  defp fields(module, _all, options) do
    raise ArgumentError,
          "PythonxPort.Encoder is derived with only: [...] or except: [...], got for #{inspect(module)}: " <>
            inspect(options)
  end

  defp known(module, all, fields) do
    case Enum.reject(List.wrap(fields), &(&1 in all)) do
      [] ->
        fields

      unknown ->
        raise ArgumentError,
              "PythonxPort.Encoder is derived for fields that #{inspect(module)} does not have: #{inspect(unknown)}"
    end
  end

  # The protocol does not fall back to this: it is here to be derived.
  def encode(struct), do: raise(Protocol.UndefinedError, protocol: PythonxPort.Encoder, value: struct)
end
