defmodule PythonxPort.Bytes do
  @moduledoc """
  Marks a binary that becomes `bytes` in Python.

  A plain binary becomes a `str` and must be UTF-8. Wrap other data, one value at a time:

      PythonxPort.eval(session, "data[0]", bindings: [data: PythonxPort.Bytes.new(<<255, 0>>)])

  or use the option `binaries: :bytes` for all of a request. Python's `bytes` come back as plain binaries.
  """

  @enforce_keys [:data]
  defstruct [:data]

  @typedoc "A binary that becomes `bytes` in Python."
  @type t :: %__MODULE__{data: binary()}

  @doc """
  Wraps a binary.

      iex> PythonxPort.Bytes.new(<<255>>)
      %PythonxPort.Bytes{data: <<255>>}
  """
  @spec new(binary()) :: t()
  def new(data) when is_binary(data), do: %__MODULE__{data: data}
  def new(other), do: PythonxPort.Arguments.refuse("a binary", other)
end
