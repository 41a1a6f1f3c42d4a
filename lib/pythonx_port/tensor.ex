defmodule PythonxPort.Tensor do
  @moduledoc """
  Numbers in one block of memory, with their type and shape: a `numpy.ndarray` in Python, an `Nx.Tensor` in Elixir.

  A tensor that goes to Python, as a binding or an argument, arrives there as a writable `ndarray`; an array that
  comes back is a tensor again. Neither way goes through lists or text. Large binaries, those of tensors above all, go
  through shared memory, from 512 KiB on, if the system has it.

      tensor = PythonxPort.Tensor.new(<<1.0::float-32-native, 2.0::float-32-native>>, {:f, 32}, {2})
      {:ok, 3.0} = PythonxPort.eval(session, "x.sum().item()", bindings: [x: tensor])

  `data` is in row-major order and in the byte order of the host, as `Nx.to_binary/1` returns it.

  ## Nx

  If Nx is a dependency of your application, `from_nx/1` and `to_nx/1` convert without touching the data, and an
  `Nx.Tensor` with a binary backend can be passed to Python directly. Its vectorized axes become leading dimensions. One
  with names in its shape is refused, since an array would lose them: drop them with `Nx.rename(tensor, nil)`.

  With `tensors: :nx`, as an option of a request or of a session, all tensors in results are `Nx.Tensor`s, also inside
  other values and in the items of streams:

      {:ok, %{"loss" => loss}} = PythonxPort.call(session, "train", [batch], [], tensors: :nx)
      Nx.to_number(loss)

  ## Types

  The types are those of Nx: `{:u, 8}` to `{:u, 64}`, `{:s, 8}` to `{:s, 64}`, `{:f, 16}`, `{:f, 32}`, `{:f, 64}`,
  `{:c, 64}` and `{:c, 128}`, and with the Python package `ml_dtypes` `{:bf, 16}`, `{:f, 8}` (`float8_e5m2`) and
  `{:f8_e4m3fn, 8}`. Arrays of booleans come as `{:u, 8}`.
  """

  alias PythonxPort.Arguments

  @enforce_keys [:type, :shape, :data]
  defstruct [:type, :shape, :data]

  @typedoc "The kind of number and its size in bits, as Nx names them."
  @type type :: {:u | :s | :f | :bf | :c | :f8_e4m3fn, pos_integer()}

  @typedoc "Sizes of the dimensions; `{}` is a single number."
  @type shape :: tuple()

  @typedoc "`data` has as many bytes as type and shape take."
  @type t :: %__MODULE__{type: type(), shape: shape(), data: binary()}

  @types for(
           {kind, sizes} <- [
             u: [8, 16, 32, 64],
             s: [8, 16, 32, 64],
             f: [8, 16, 32, 64],
             f8_e4m3fn: [8],
             bf: [16],
             c: [64, 128]
           ],
           bits <- sizes,
           do: {kind, bits}
         )

  @doc """
  Returns a tensor of data with a type and a shape; raises `ArgumentError` if they do not fit.

      iex> PythonxPort.Tensor.new(<<1, 2, 3, 4, 5, 6>>, {:u, 8}, {2, 3}).shape
      {2, 3}

      iex> PythonxPort.Tensor.new(<<1, 2, 3>>, {:u, 8}, {2, 2})
      ** (ArgumentError) {:u, 8} of shape {2, 2} takes 4 bytes, got 3
  """
  @spec new(binary(), type(), shape()) :: t()
  def new(data, type, shape) do
    if not is_binary(data), do: Arguments.refuse("the data of a tensor as a binary", data)
    expected = byte_size(type, shape)

    if Kernel.byte_size(data) != expected do
      raise ArgumentError,
            "#{inspect(type)} of shape #{inspect(shape)} takes #{expected} bytes, got #{Kernel.byte_size(data)}"
    end

    %__MODULE__{type: type, shape: shape, data: data}
  end

  @doc """
  Returns how many bytes a type and a shape take.

      iex> PythonxPort.Tensor.byte_size({:f, 32}, {2, 3})
      24
  """
  @spec byte_size(type(), shape()) :: non_neg_integer()
  def byte_size(type, shape) do
    if type not in @types, do: raise(ArgumentError, "unknown type of tensor: #{inspect(type)}")
    sizes = if is_tuple(shape), do: Tuple.to_list(shape), else: [nil]

    unless Enum.all?(sizes, &(is_integer(&1) and &1 >= 0)) do
      raise ArgumentError, "a shape is a tuple of sizes, got: #{inspect(shape)}"
    end

    {_kind, bits} = type
    Enum.product(sizes) * div(bits, 8)
  end

  @doc """
  Returns the tensor of an `Nx.Tensor`, on any backend; they share their data if the backend is binary.

  Vectorized axes become leading dimensions, without their names. Raises `ArgumentError` if axes in the shape have
  names, which a tensor cannot keep: drop them with `Nx.rename(tensor, nil)`. Raises a `RuntimeError` if Nx is not a
  dependency of your application.
  """
  @spec from_nx(struct() | number()) :: t()
  def from_nx(tensor) do
    tensor = nx(:devectorize, [tensor, [keep_names: false]])
    names = nx(:names, [tensor])

    unless Enum.all?(names, &is_nil/1) do
      raise ArgumentError,
            "the tensor has names, #{inspect(names)}, which an array cannot keep: drop them with Nx.rename(tensor, nil)"
    end

    new(nx(:to_binary, [tensor]), nx(:type, [tensor]), nx(:shape, [tensor]))
  end

  @doc """
  Returns the `Nx.Tensor` of a tensor, on the default backend of Nx.

  The option `tensors: :nx` of `PythonxPort.eval/3`, and of sessions, does so with all tensors in results. Raises a
  `RuntimeError` if Nx is not a dependency of your application.
  """
  @spec to_nx(t()) :: struct()
  def to_nx(%__MODULE__{type: type, shape: shape, data: data}) do
    nx(:reshape, [nx(:from_binary, [data, type]), shape])
  end

  # Nx is looked for at run time: an application may add it after this library was compiled.
  defp nx(function, args) do
    unless Code.ensure_loaded?(Nx) do
      raise "Nx is missing: add {:nx, \"~> 0.9\"} to the dependencies in mix.exs, and run mix deps.get"
    end

    apply(Nx, function, args)
  end

  defimpl Inspect do
    import Inspect.Algebra

    # How many numbers are shown; the rest is only counted.
    @shown 10

    def inspect(%{type: {kind, bits}, shape: shape, data: data} = tensor, options) do
      count = if bits > 0, do: div(Kernel.byte_size(data) * 8, bits), else: 0
      numbers = data |> take(tensor.type, @shown) |> Enum.map_join(" ", &number/1)
      more = if count > @shown, do: " … #{count} in all", else: ""

      concat([
        "#PythonxPort.Tensor<#{name(kind, bits)} ",
        to_doc(shape, options),
        if(count > 0, do: " " <> numbers <> more, else: ""),
        ">"
      ])
    end

    # As Nx has it: the name of this type says its size.
    defp name(:f8_e4m3fn, 8), do: "f8_e4m3fn"
    defp name(kind, bits), do: "#{kind}#{bits}"

    defp take(_data, _type, 0), do: []

    defp take(data, {_kind, bits} = type, count) do
      size = div(bits, 8)

      if bits > 0 and Kernel.byte_size(data) >= size do
        rest = binary_part(data, size, Kernel.byte_size(data) - size)
        [read(binary_part(data, 0, size), type) | take(rest, type, count - 1)]
      else
        []
      end
    end

    # Sizes in patterns are literals: from Elixir 1.20 on a variable needs a pin, which 1.14 does not have.
    defp read(bytes, {:u, _bits}), do: unsigned(bytes)
    defp read(bytes, {:s, _bits}), do: signed(unsigned(bytes), bit_size(bytes))
    # The upper half of a float of 16 bits.
    defp read(bytes, {:f, 8}), do: float(unsigned(bytes) * 0x100, 16)
    defp read(bytes, {:f8_e4m3fn, 8}), do: float8(unsigned(bytes))
    defp read(bytes, {:f, bits}), do: float(unsigned(bytes), bits)
    # The upper half of a float of 32 bits.
    defp read(bytes, {:bf, 16}), do: float(unsigned(bytes) * 0x1_0000, 32)

    defp read(bytes, {:c, bits}) do
      half = div(bits, 2)
      size = div(half, 8)

      {float(unsigned(binary_part(bytes, 0, size)), half),
       float(unsigned(binary_part(bytes, size, size)), half)}
    end

    @native if <<1::16-native>> == <<1::16-little>>, do: :little, else: :big

    defp unsigned(bytes), do: :binary.decode_unsigned(bytes, @native)

    defp signed(n, bits) when 2 * n >= Bitwise.bsl(1, bits), do: n - Bitwise.bsl(1, bits)
    defp signed(n, _bits), do: n

    # Erlang has no floats that are not finite.
    for {size, mantissa_bits} <- [{16, 10}, {32, 23}, {64, 52}] do
      defp float(bits, unquote(size)) do
        case <<bits::unquote(size)>> do
          <<n::float-size(unquote(size))>> -> n
          <<_head::unquote(size - mantissa_bits), m::unquote(mantissa_bits)>> when m != 0 -> "NaN"
          <<0::1, _infinite::unquote(size - 1)>> -> "Inf"
          <<1::1, _infinite::unquote(size - 1)>> -> "-Inf"
        end
      end
    end

    # Four bits of exponent and three of mantissa; the largest of both is not a number, and nothing is infinite.
    defp float8(n) when n >= 0x80, do: negative(float8(n - 0x80))
    defp float8(0x7F), do: "NaN"
    defp float8(n) when n < 8, do: n / 512
    defp float8(n), do: (8 + rem(n, 8)) * :math.pow(2, div(n, 8) - 10)

    defp negative("NaN"), do: "NaN"
    defp negative(number), do: -number

    defp number({real, imaginary}), do: "#{real}+#{imaginary}i"
    defp number(text_or_number), do: to_string(text_or_number)
  end
end
