defmodule PythonxPort.Markdown do
  @moduledoc false
  # Reads the blocks of code of a Markdown file, and the marks in comments that readers do not see:
  #
  #     <!-- test: parse -->          the next block is parsed, and not run
  #     <!-- test: needs pandas nx -->     it is parsed alone if a package or an Elixir is missing
  #     <!-- test: before             this Elixir code runs before the next block
  #     PythonxPort.exec!(session, "def slow(): pass")
  #     -->

  defmodule Block do
    @moduledoc false
    @enforce_keys [:language, :text, :line]
    defstruct [:language, :text, :line, mode: :run, needs: [], before: nil]

    @type t :: %__MODULE__{
            language: String.t(),
            text: String.t(),
            line: pos_integer(),
            mode: :run | :parse,
            needs: [String.t()],
            before: String.t() | nil
          }
  end

  @spec blocks(Path.t()) :: [Block.t()]
  def blocks(path) do
    path |> File.read!() |> String.split("\n") |> Enum.with_index(1) |> read([], [])
  end

  @doc "The text outside of blocks."
  @spec prose(Path.t()) :: String.t()
  def prose(path) do
    inside = for block <- blocks(path), n <- lines(block), into: MapSet.new(), do: n

    for {line, n} <- path |> File.read!() |> String.split("\n") |> Enum.with_index(1),
        n not in inside,
        into: "",
        do: line <> "\n"
  end

  # Those of its fences, too.
  defp lines(%Block{text: text, line: line}), do: (line - 1)..(line + length(String.split(text, "\n")) - 1)

  defp read([], _marks, blocks), do: Enum.reverse(blocks)

  defp read([{"<!-- test: before", _n} | rest], marks, blocks) do
    {code, [_end | rest]} = Enum.split_while(rest, fn {line, _n} -> line != "-->" end)
    read(rest, [{:before, join(code)} | marks], blocks)
  end

  defp read([{"<!-- test: " <> mark, n} | rest], marks, blocks) do
    mark =
      case String.split(String.trim_trailing(mark, " -->")) do
        ["parse"] -> {:mode, :parse}
        ["needs" | names] when names != [] -> {:needs, names}
        _other -> raise "line #{n} has an unknown mark: #{mark}"
      end

    read(rest, [mark | marks], blocks)
  end

  defp read([{"```" <> language, n} | rest], marks, blocks) do
    {code, [_end | rest]} = Enum.split_while(rest, fn {line, _n} -> line != "```" end)
    block = struct!(%Block{language: language, text: join(code), line: n + 1}, marks)
    read(rest, [], [block | blocks])
  end

  defp read([{line, n} | rest], marks, blocks) do
    if marks != [] and line != "", do: raise("line #{n} stands between a mark and its block")
    read(rest, marks, blocks)
  end

  defp join(lines), do: Enum.map_join(lines, "", fn {line, _n} -> line <> "\n" end)
end
