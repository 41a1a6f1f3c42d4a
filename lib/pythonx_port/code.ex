defmodule PythonxPort.Code do
  @moduledoc """
  Python source with its place, so that tracebacks name the Elixir file and line.

  `PythonxPort.sigil_PY/2` makes one at compile time, `new/2` at run time. You can pass it wherever code is expected.
  With the modifier `b`, the sigil adds the Elixir variables that the code may use.
  """

  alias PythonxPort.Arguments

  @derive {Inspect, optional: [:file, :line, :bindings]}
  @enforce_keys [:source]
  defstruct [:source, :file, :line, bindings: %{}]

  @typedoc """
  Source text, with the file and the line (from 1) of its first line, if they are known. `bindings` are Elixir variables
  by their names: those that the code uses and does not assign become bindings, unless the request has a binding of the
  same name.
  """
  @type t :: %__MODULE__{
          source: String.t(),
          file: String.t() | nil,
          line: pos_integer() | nil,
          bindings: %{String.t() => term()}
        }

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
  # Returns those of the names that occur as a whole word in Python source, also in its strings and comments. A name
  # that ends with ? or ! is none of Python's, and one that begins with _ is not meant to be used.
  @spec names_in(String.t(), [atom()]) :: [atom()]
  def names_in(source, names) do
    words = ~r/[\p{L}_][\p{L}\p{N}\p{M}_]*/u |> Regex.scan(source) |> MapSet.new(fn [word] -> word end)

    names
    |> Enum.filter(fn name ->
      Atom.to_string(name) in words and not match?("_" <> _rest, Atom.to_string(name))
    end)
    |> Enum.uniq()
  end

  @doc false
  # Returns the source, and its place and variables as options of a request. A block that is indented as a whole, which Python would
  # refuse, loses the indentation that all of its lines share.
  @spec split(String.t() | t()) :: {String.t(), keyword()}
  def split(source) when is_binary(source), do: {dedent(source), []}

  def split(%__MODULE__{source: source}) when not is_binary(source) do
    Arguments.refuse("Python source as a string in the PythonxPort.Code", source)
  end

  def split(%__MODULE__{} = code) do
    options = [file: code.file, line: code.line, captured: code.bindings]
    {dedent(code.source), Enum.reject(options, fn {_key, value} -> value == nil or value == %{} end)}
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
