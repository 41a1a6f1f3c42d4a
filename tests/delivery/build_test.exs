defmodule PythonxPort.BuildTest do
  # What the Makefile promises to those who build for others: the same bytes everywhere, and their own compiler.
  use ExUnit.Case, async: true

  import PythonxPort.Scratch

  @moduletag timeout: 300_000
  @programs ~w(pythonx_port pythonx_engine.so)

  @tag :slow
  test "builds in two folders have the same bytes" do
    folder = folder!()

    [sums, other_sums] =
      for name <- ["one", "another one of another length"] do
        place = copy_sources!(Path.join(folder, name))
        run!("make -s -j2 WERROR=", cd: place)
        for folder <- ["build", "priv"], program <- @programs, do: sha256(Path.join([place, folder, program]))
      end

    assert sums == other_sums
    assert Enum.uniq(sums) == sums
  end

  test "CROSSCOMPILE names the compiler, and MIX_TARGET keeps what it makes apart" do
    folder = folder!()
    place = copy_sources!(Path.join(folder, "sources"))

    for {tool, program} <- [gcc: "cc", strip: "strip"] do
      path = Path.join(folder, "some-board-#{tool}")
      File.write!(path, "#!/bin/sh\necho #{tool} >>'#{folder}/log'\nexec #{program} \"$@\"\n")
      File.chmod!(path, 0o755)
    end

    env = [{"CROSSCOMPILE", Path.join(folder, "some-board")}, {"MIX_TARGET", "board"}, {"CFLAGS", "-O0"}]
    run!("mix compile.pythonx_port", cd: place, env: env)

    tools = File.read!(Path.join(folder, "log")) |> String.split() |> Enum.frequencies()
    assert %{"gcc" => objects, "strip" => 2} = tools
    assert objects > 50
    refute File.exists?(Path.join(place, "priv"))
    one_and_one!(Path.join(place, "_build/board_dev/lib/pythonx_port/priv/pythonx_port"))
  end

  test "what make was given before is made anew with something else" do
    place = copy_sources!(Path.join(folder!(), "sources"))
    make = fn variables -> run!("make WERROR= #{variables} build/obj/wire/frame.o", cd: place) end

    assert make.("") =~ "CC port/wire/frame.c"
    refute make.("") =~ "CC"
    assert make.("CFLAGS=-O1") =~ "CC port/wire/frame.c"
    refute make.("CFLAGS=-O1") =~ "CC"
  end

  defp sha256(file), do: Base.encode16(:crypto.hash(:sha256, File.read!(file)))
end
