defmodule PythonxPort.Structs do
  @moduledoc false
  # Replaces structs by what their implementations of PythonxPort.Encoder return, on the way to Python.
  #
  # Most requests have no such struct, and must not pay for the search: it begins with the encoded bytes, in which the
  # atom `__struct__` is found at more than a gigabyte in a second, and ends there if there is none.

  alias PythonxPort.{Bytes, Encoder, Object, Tensor}

  @key "__struct__"
  # The head of a binary in the external term format.
  @binary_ext 109
  # These have a form that the port program reads, and may hold a reference to shared memory already.
  @own [Bytes, Object, Tensor, Nx.Tensor]

  @doc "Returns whether a struct could have an implementation. It costs next to nothing."
  @spec encoders?() :: boolean()
  # Not called by its name: dialyzer knows the function as it is before the protocol is consolidated.
  def encoders?, do: some?(Function.capture(Encoder, :__protocol__, 1).(:impls))

  defp some?({:consolidated, implemented}), do: implemented -- [Any] != []
  defp some?(:not_consolidated), do: true

  @doc """
  Returns whether there is a struct in terms that were encoded to these pieces, each a list of binaries as
  `:erlang.term_to_iovec/1` returns it.
  """
  @spec in_bytes?([[binary()]]) :: boolean()
  def in_bytes?(body), do: Enum.any?(body, &in_pieces?/1)

  # Large binaries of a term are pieces of their own, each behind a piece that ends with its head: these bytes are not
  # searched. What follows such a binary is never taken for one, whatever its last bytes are.
  defp in_pieces?([]), do: false

  defp in_pieces?([encoded | rest]) do
    :binary.match(encoded, @key) != :nomatch or rest |> skip_binary(encoded) |> in_pieces?()
  end

  defp skip_binary([piece | rest] = pieces, encoded) do
    size = byte_size(piece)
    at = byte_size(encoded) - 5

    if at >= 0 and binary_part(encoded, at, 5) == <<@binary_ext, size::32>>, do: rest, else: pieces
  end

  defp skip_binary([], _encoded), do: []

  @doc "Returns whether there is a struct in a term that has an implementation."
  @spec encodable?(term()) :: boolean()
  def encodable?(term), do: with_cache(fn -> found?(term) end)

  @doc "Replaces all structs in a term that have an implementation."
  @spec replace(term()) :: term()
  def replace(term), do: with_cache(fn -> deep(term) end)

  defp found?([item | rest]), do: found?(item) or found?(rest)
  defp found?(%{__struct__: module}) when module in @own, do: false

  defp found?(%{__struct__: module} = struct) when is_atom(module) do
    implementation(module) != nil or in_pairs?(struct)
  end

  defp found?(map) when is_map(map), do: in_pairs?(map)
  defp found?(tuple) when is_tuple(tuple), do: in_tuple?(tuple, tuple_size(tuple))
  defp found?(_other), do: false

  defp in_pairs?(map), do: map |> :maps.iterator() |> :maps.next() |> in_next_pairs?()

  defp in_next_pairs?({key, value, iterator}) do
    found?(value) or found?(key) or in_next_pairs?(:maps.next(iterator))
  end

  defp in_next_pairs?(:none), do: false

  defp in_tuple?(_tuple, 0), do: false
  defp in_tuple?(tuple, size), do: found?(:erlang.element(size, tuple)) or in_tuple?(tuple, size - 1)

  defp deep([item | rest]), do: [deep(item) | deep(rest)]
  defp deep(%{__struct__: module} = struct) when module in @own, do: struct

  defp deep(%{__struct__: module} = struct) when is_atom(module) do
    case implementation(module) do
      nil -> pairs(struct)
      implementation -> encoded(implementation.encode(struct), module)
    end
  end

  defp deep(map) when is_map(map), do: pairs(map)
  defp deep(tuple) when is_tuple(tuple), do: tuple |> Tuple.to_list() |> Enum.map(&deep/1) |> List.to_tuple()
  defp deep(other), do: other

  defp encoded(%{__struct__: module} = same, module), do: pairs(same)
  defp encoded(other, _module), do: deep(other)

  defp pairs(map) do
    replaced = for {key, value} <- :maps.to_list(map), into: %{}, do: {deep(key), deep(value)}

    if map_size(replaced) != map_size(map) do
      raise ArgumentError,
            "two keys of a map, or members of a set, are encoded as the same value: #{inspect(map)}"
    end

    replaced
  end

  # If the protocol is not consolidated, each look at a struct without an implementation searches the code path: within
  # one term a type is looked at once.
  @cache {__MODULE__, :implementations}

  defp with_cache(function) do
    Process.put(@cache, %{})
    function.()
  after
    Process.delete(@cache)
  end

  defp implementation(module) do
    case Process.get(@cache) do
      %{^module => implementation} ->
        implementation

      cache ->
        implementation = Encoder.impl_for(%{__struct__: module})
        if cache, do: Process.put(@cache, Map.put(cache, module, implementation))
        implementation
    end
  end
end
