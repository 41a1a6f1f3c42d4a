defmodule PythonxPort.Results do
  @moduledoc false
  # Converts results in the process that gets them: objects of types that the option `decode` names, by its functions,
  # and tensors to those of Nx. The options of a request come before those of its session. The session, which has both,
  # sends them along with the reply.

  alias PythonxPort.{Error, Object, Rich, Tensor}

  @typedoc "A function of what Python sends of an object, and of the name of its type if it takes two arguments."
  @type decoder :: (term() -> term()) | (term(), String.t() -> term())

  @typedoc "The options that were given, or nil if none was."
  @type t :: %{optional(:decode) => %{String.t() => decoder()}, optional(:tensors) => :nx | :tensor} | nil

  @keys [:decode, :tensors]
  @operations [:eval, :call, :stream]
  # The head of a map in the external term format.
  @map_ext 116
  @version 131

  @doc "Returns the options that are for results."
  @spec new(keyword()) :: t()
  def new(options) do
    case Keyword.take(options, @keys) do
      [] -> nil
      given -> Map.new(given)
    end
  end

  @doc "Returns whether an option has a value that it can have."
  @spec valid?(:decode | :tensors, term()) :: boolean()
  def valid?(:tensors, value), do: value in [:nx, :tensor]

  def valid?(:decode, decoders) when is_map(decoders) do
    Enum.all?(decoders, fn {name, decoder} ->
      is_binary(name) and (is_function(decoder, 1) or is_function(decoder, 2))
    end)
  end

  def valid?(:decode, _other), do: false

  @doc "Returns what an option takes, as a text."
  @spec expected(:decode | :tensors) :: String.t()
  def expected(:tensors), do: ":tensor or :nx"
  def expected(:decode), do: "a map of names of types to functions of one argument or two"

  @doc "Adds the types that these options name to the options of a request."
  @spec put_types(map(), keyword()) :: map()
  def put_types(engine_options, options) do
    case options[:decode] do
      decoders when is_map(decoders) and decoders != %{} ->
        Map.put(engine_options, :types, Map.keys(decoders))

      _none ->
        engine_options
    end
  end

  @doc """
  Adds the options of a session to those of a request, and the types that they name to the request's encoded body, whose
  last element is its map of options.
  """
  @spec merge(t(), Protocol.operation(), t(), iodata()) :: {t(), iodata()}
  def merge(nil, _operation, given, body), do: {given, body}

  def merge(session, operation, given, body) when operation in @operations do
    given = given || %{}
    body = if Map.has_key?(given, :decode), do: body, else: add_types(body, session[:decode] || %{})
    {Map.merge(session, given), body}
  end

  def merge(_session, _operation, given, body), do: {given, body}

  defp add_types(body, decoders) when decoders == %{}, do: body

  defp add_types(body, decoders) do
    <<@version, @map_ext, 1::32, pair::binary>> = :erlang.term_to_binary(%{types: Map.keys(decoders)})

    List.update_at(body, -1, fn [<<@map_ext, count::32, rest::binary>> | more] ->
      [<<@map_ext, count + 1::32>>, pair, rest | more]
    end)
  end

  @doc "Adds options to what a session sends to a caller."
  @spec wrap(message, t()) :: message | {:results, t(), message} when message: tuple()
  def wrap(message, nil), do: message
  def wrap(message, results), do: {:results, results, message}

  @doc "Converts a result that was decoded from a frame."
  @spec convert({:ok, term()} | {:error, Error.t()}, t(), binary()) :: {:ok, term()} | {:error, Error.t()}
  def convert({:ok, value}, results, frame), do: {:ok, convert_value(value, results, frame)}
  def convert({:error, _error} = result, _results, _frame), do: result

  @doc "Converts a value that was decoded from a frame. It is walked through only if the frame has something to convert."
  @spec convert_value(term(), t(), binary()) :: term()
  def convert_value(value, nil, _frame), do: value

  def convert_value(value, results, frame) do
    decoders = if has?(frame, "$object"), do: Map.get(results, :decode, %{}), else: %{}
    nx? = results[:tensors] == :nx and has?(frame, "Elixir.PythonxPort.Tensor")
    if nx? or decoders != %{}, do: convert_all(value, {decoders, nx?}), else: value
  end

  @doc "Converts a reference, or the object of a named type that it is in."
  @spec convert_reference(term(), t()) :: term()
  def convert_reference(value, results) do
    convert_all(value, {Map.get(results, :decode, %{}), results[:tensors] == :nx})
  end

  defp has?(frame, text), do: :binary.match(frame, text) != :nomatch

  defp convert_all({:"$object", name, type, value} = tuple, {decoders, _nx?} = how) do
    case decoders do
      %{^name => decoder} -> value |> convert_all(how) |> decode(type, decoder)
      _unknown -> convert_tuple(tuple, how)
    end
  end

  defp convert_all([item | rest], how), do: [convert_all(item, how) | convert_all(rest, how)]
  defp convert_all(tuple, how) when is_tuple(tuple), do: convert_tuple(tuple, how)
  defp convert_all(%Tensor{} = tensor, {_decoders, true}), do: Tensor.to_nx(tensor)
  defp convert_all(%module{} = struct, _how) when module in [Tensor, Object, Rich], do: struct
  defp convert_all(%MapSet{} = set, how), do: MapSet.new(set, &convert_all(&1, how))
  defp convert_all(map, how) when is_map(map), do: convert_map(map, how)
  defp convert_all(other, _how), do: other

  defp convert_tuple(tuple, how),
    do: tuple |> Tuple.to_list() |> Enum.map(&convert_all(&1, how)) |> List.to_tuple()

  defp convert_map(map, how) do
    walked =
      for {key, value} <- :maps.to_list(map), into: %{}, do: {convert_all(key, how), convert_all(value, how)}

    if map_size(walked) != map_size(map) do
      raise ArgumentError, "two keys of a map that Python sent are decoded to the same value: #{inspect(map)}"
    end

    walked
  end

  defp decode(value, _type, decoder) when is_function(decoder, 1), do: decoder.(value)
  defp decode(value, type, decoder), do: decoder.(value, type)
end
