defmodule PythonxPort.DocsTest do
  # What `mix docs` is given, which runs with ex_doc alone.
  use ExUnit.Case, async: true

  @root Path.expand("../..", __DIR__)

  setup_all do
    %{docs: Mix.Project.config()[:docs]}
  end

  test "every extra exists, has one page, and every guide is an extra", %{docs: docs} do
    extras = for extra <- docs[:extras], do: if(is_tuple(extra), do: extra, else: {extra, []})
    paths = for {path, _options} <- extras, do: path

    for path <- paths, do: assert(File.regular?(Path.join(@root, path)), "#{path} does not exist")

    guides = for path <- Path.wildcard(Path.join(@root, "guides/*.md")), do: Path.relative_to(path, @root)
    assert guides -- paths == []

    pages = for {path, options} <- extras, do: options[:filename] || page(path)
    assert pages == Enum.uniq(pages)
    assert docs[:main] in pages

    grouped = docs[:groups_for_extras] |> Keyword.values() |> Enum.concat()
    assert Enum.sort(grouped) == Enum.sort(paths -- ["README.md"])
  end

  test "every public module is in one group, and every module of a group is public", %{docs: docs} do
    {:ok, modules} = :application.get_key(:pythonx_port, :modules)
    grouped = docs[:groups_for_modules] |> Keyword.values() |> Enum.concat()

    assert Enum.sort(grouped) == Enum.sort(Enum.filter(modules, &public?/1))
  end

  # Without the documentation of a module itself, ex_doc leaves it out.
  defp public?(module) do
    match?({:docs_v1, _, _, _, %{"en" => _text}, _, _}, Code.fetch_docs(module))
  end

  defp page(path), do: path |> Path.basename() |> Path.rootname() |> String.downcase()
end
