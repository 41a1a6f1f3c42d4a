defmodule PythonxPort.Code do
  @moduledoc """
  Python source that knows where it stands, so that tracebacks name the Elixir file and line.

  `PythonxPort.sigil_PY/2` makes one at compile time; `new/2` makes one at run time. Everything that takes code
  as a binary takes this as well.
  """

  @enforce_keys [:source]
  defstruct [:source, :file, :line]

  @typedoc "Source text, with the file and the line (from 1) of its first line where they are known."
  @type t :: %__MODULE__{source: String.t(), file: String.t() | nil, line: pos_integer() | nil}

  @doc """
  Puts source together with its place, given by the options `:file` and `:line`.

      iex> PythonxPort.Code.new("1 + 1", file: "sum.py")
      %PythonxPort.Code{source: "1 + 1", file: "sum.py", line: nil}
  """
  @spec new(String.t(), file: String.t(), line: pos_integer()) :: t()
  def new(source, place \\ []) when is_binary(source) do
    place = Keyword.validate!(place, [:file, :line])
    %__MODULE__{source: source, file: place[:file], line: place[:line]}
  end
end
