defmodule PythonxPort.GuidesTest do
  # Runs the code of README.md and of the guides, in order. The matches in it are the assertions.
  # PythonxPort.Markdown explains the marks of blocks that cannot run.
  use ExUnit.Case, async: false

  import ExUnit.CaptureIO

  alias PythonxPort.{GuideRunner, Markdown}

  @root Path.expand("../..", __DIR__)
  @guides for path <- ["README.md" | Path.wildcard(Path.join(@root, "guides/*.md"))],
              do: path |> Path.expand(@root) |> Path.relative_to(@root)
  @documents @guides ++
               ~w(CHANGELOG.md port/PROTOCOL.md port/README.md examples/README.md) ++
               Enum.map(Path.wildcard(Path.join(@root, "examples/*/README.md")), &Path.relative_to(&1, @root))

  # How many blocks of each language are parsed, and not run. If it must be more, less is tested.
  @parsed %{"elixir" => 2, "sh" => 4}
  # What a block may need to be run; some of it is missing on some machine.
  @packages ~w(elixir-1.15 nx numpy pandas telemetry)

  @moduletag :capture_log
  @moduletag timeout: 120_000

  for guide <- @guides do
    test "the code of #{guide} runs" do
      folder =
        Path.join(
          System.tmp_dir!(),
          "pythonx_port-guide-#{System.pid()}-#{System.unique_integer([:positive])}"
        )

      File.mkdir_p!(folder)
      on_exit(fn -> File.rm_rf!(folder) end)
      capture_io(fn -> GuideRunner.run_file(Path.join(@root, unquote(guide)), folder) end)
      PythonxPort.stop_session(:default)
    end
  end

  setup do
    telemetry? = match?({:file, _path}, :code.is_loaded(:telemetry))

    on_exit(fn ->
      if :code.is_loaded(:telemetry), do: Enum.each(~w(slow-python python-crashes), &:telemetry.detach/1)
      # Requests of other tests are measured once it is loaded.
      if not telemetry?, do: :code.delete(:telemetry) && :code.purge(:telemetry)
    end)
  end

  test "only so many blocks are not run, each has a language, and what it needs can be there" do
    blocks = Enum.flat_map(@guides, &Markdown.blocks(Path.join(@root, &1)))
    assert Enum.uniq(for(block <- blocks, do: block.language)) -- ~w(elixir erlang python sh text) == []
    assert Enum.uniq(Enum.flat_map(blocks, & &1.needs)) -- @packages == []
    assert Enum.frequencies(for %{mode: :parse, language: language} <- blocks, do: language) == @parsed
  end

  test "code is in fences" do
    for guide <- @guides do
      refute Markdown.prose(Path.join(@root, guide)) =~ ~r/\n\n(    |\t)/, "#{guide} has an indented block"
    end
  end

  test "lines end before column 100" do
    for document <- @documents,
        {line, n} <- document |> read() |> String.split("\n") |> Enum.with_index(1),
        String.length(line) >= 100,
        # A row of a table cannot be broken. Those of the guides are short.
        document in @guides or not String.starts_with?(line, "|"),
        do: flunk("#{document}:#{n} has #{String.length(line)} columns")
  end

  test "links lead to files and headings that exist" do
    for document <- @documents, target <- links(document) do
      [path | heading] = String.split(target, "#")

      file =
        if path == "",
          do: document,
          else: path |> Path.expand("/" <> Path.dirname(document)) |> Path.relative_to("/")

      assert File.exists?(Path.join(@root, file)), "#{document}: there is no #{target}"

      for heading <- heading do
        assert heading in anchors(file), "#{document}: #{file} has no heading ##{heading}"
      end
    end
  end

  test "each goal of make that the documents name exists" do
    goals = for [_all, goal] <- Regex.scan(~r/^([a-z][a-z0-9-]*):/m, read("Makefile")), do: goal

    for guide <- @guides,
        [_all, words] <- Regex.scan(~r/(?:^|`)make ((?:[a-z][a-z0-9-]*\b(?![=\/.]) ?)+)/m, read(guide)),
        goal <- String.split(words) do
      assert goal in goals, "#{guide} names `make #{goal}`"
    end
  end

  defp read(document), do: File.read!(Path.join(@root, document))

  defp links(document) do
    for [_all, target] <- Regex.scan(~r/\]\(([^)\s]+)\)/, Markdown.prose(Path.join(@root, document))),
        not String.contains?(target, "://"),
        do: target
  end

  # As GitHub and ex_doc make them, and those that a document names itself.
  defp anchors(file) do
    text = read(file)

    headings =
      for [_all, heading] <- Regex.scan(~r/^#+ (.+)$/m, text) do
        heading |> String.downcase() |> String.replace(~r/[^\p{L}\p{N} _-]/u, "") |> String.replace(" ", "-")
      end

    headings ++ for [_all, id] <- Regex.scan(~r/<a id="([^"]+)">/, text), do: id
  end
end
