defmodule PythonxPort.Code do
  @moduledoc """
  Python source with its place, so that tracebacks name the Elixir file and line.

  `PythonxPort.sigil_PY/2` makes one at compile time, `new/2` at run time. You can pass it wherever code is expected.
  """

  alias PythonxPort.Arguments

  @enforce_keys [:source]
  defstruct [:source, :file, :line]

  @typedoc "Source text, with the file and the line (from 1) of its first line, if they are known."
  @type t :: %__MODULE__{source: String.t(), file: String.t() | nil, line: pos_integer() | nil}

  @doc """
  Returns source with its place. Options:

    * `:file` - the file, for tracebacks.
    * `:line` - the number of the first line in that file.

      iex> PythonxPort.Code.new("1 + 1", file: "sum.py")
      %PythonxPort.Code{source: "1 + 1", file: "sum.py", line: nil}
  """
  @spec new(String.t(), file: String.t(), line: pos_integer()) :: t()
  def new(source, place \\ []) do
    if not is_binary(source), do: Arguments.refuse("Python source as a string", source)
    place = Arguments.options!(place, [:file, :line], "PythonxPort.Code.new/2")
    %__MODULE__{source: source, file: place[:file], line: place[:line]}
  end

  @doc false
  # Returns the source, and its place as options of a request. A block that is indented as a whole, which Python would
  # refuse, loses the indentation that all of its lines share.
  @spec split(String.t() | t()) :: {String.t(), keyword()}
  def split(source) when is_binary(source), do: {dedent(source), []}

  def split(%__MODULE__{source: source}) when not is_binary(source) do
    Arguments.refuse("Python source as a string in the PythonxPort.Code", source)
  end

  def split(%__MODULE__{} = code) do
    place = Enum.reject([file: code.file, line: code.line], fn {_key, value} -> value == nil end)
    {dedent(code.source), place}
  end

  # Most code begins in the first column and is passed on as it is.
  defp dedent(<<first, _rest::binary>> = source) when first in [?\s, ?\t, ?\r, ?\n] do
    lines = String.split(source, "\n")
    indent = lines |> Enum.find("", &(not blank?(&1))) |> indentation()

    if Enum.all?(lines, &(blank?(&1) or String.starts_with?(&1, indent))) do
      Enum.map_join(lines, "\n", &String.replace_prefix(&1, indent, ""))
    else
      source
    end
  end

  defp dedent(source), do: source

  defp blank?(line), do: String.trim(line) == ""

  defp indentation(<<first, rest::binary>>) when first in [?\s, ?\t], do: <<first>> <> indentation(rest)
  defp indentation(_text), do: ""
end
