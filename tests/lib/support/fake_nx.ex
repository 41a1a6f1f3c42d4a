defmodule PythonxPort.FakeNx do
  @moduledoc false
  # Compiles modules with the names of Nx, which is no dependency, while tests run: as if an application had added it
  # after this library was compiled. They have what Nx has of it: fields, names and results.

  @source ~S"""
  defmodule Nx.BinaryBackend do
    defstruct [:state]
  end

  defmodule Nx.Tensor do
    defstruct [:data, :type, :shape, :names, vectorized_axes: []]
  end

  defmodule Nx do
    def from_binary(data, {_kind, bits} = type) do
      tensor(data, type, {div(bit_size(data), bits)})
    end

    def reshape(tensor, shape), do: tensor(tensor.data.state, tensor.type, shape)
    def to_binary(%{data: %Nx.BinaryBackend{state: state}}), do: state
    def type(tensor), do: tensor.type
    def shape(tensor), do: tensor.shape
    def names(tensor), do: tensor.names
    def rename(tensor, nil), do: %{tensor | names: List.duplicate(nil, tuple_size(tensor.shape))}

    def devectorize(tensor, options \\ [])
    def devectorize(%Nx.Tensor{vectorized_axes: []} = tensor, _options), do: tensor

    def devectorize(%Nx.Tensor{} = tensor, options) do
      {names, sizes} = Enum.unzip(tensor.vectorized_axes)
      names = if Keyword.get(options, :keep_names, true), do: names, else: Enum.map(names, fn _name -> nil end)

      %{
        tensor
        | shape: List.to_tuple(sizes ++ Tuple.to_list(tensor.shape)),
          names: names ++ tensor.names,
          vectorized_axes: []
      }
    end

    defp tensor(data, type, shape) do
      %Nx.Tensor{
        data: %Nx.BinaryBackend{state: data},
        type: type,
        shape: shape,
        names: List.duplicate(nil, tuple_size(shape))
      }
    end
  end
  """

  @doc "Compiles the modules; the returned function removes them."
  @spec add() :: (... -> :ok)
  def add, do: PythonxPort.MadeUpModules.add(@source)
end
