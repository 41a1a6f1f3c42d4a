defmodule PythonxPort.BuildTest do
  # What the Makefile promises to those who build for others: the same bytes everywhere, and their own compiler.
  use ExUnit.Case, async: true

  import PythonxPort.Scratch

  @moduletag timeout: 300_000
  @programs ~w(pythonx_port pythonx_engine.so pythonx_host.so)

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
    assert %{"gcc" => objects, "strip" => 3} = tools
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

  test "PYTHON and PYTHON_INCLUDE are heeded after the first build, from the environment and the command line" do
    folder = folder!()
    place = copy_sources!(Path.join(folder, "sources"))
    make = fn before, arguments -> run!("#{before} make build/config.mk #{arguments}", cd: place) end
    config = fn -> File.read!(Path.join(place, "build/config.mk")) end

    make.("", "")
    [_line, python] = Regex.run(~r/^PYTHON := (.*)$/m, config.())
    [_line, include] = Regex.run(~r/^PYTHON_INCLUDE := (.*)$/m, config.())
    other = Path.join(folder, "python3")
    File.ln_s!(python, other)
    other_include = Path.join(folder, "headers")
    File.ln_s!(include, other_include)

    for variables <- [{"PYTHON=#{other}", ""}, {"", "PYTHON=#{other}"}] do
      {before, arguments} = variables
      make.(before, arguments)
      assert config.() =~ "PYTHON := #{other}\n"
      make.("", "")
      assert config.() =~ "PYTHON := #{python}\n"
    end

    make.("PYTHON_INCLUDE=#{other_include}", "")
    assert config.() =~ "PYTHON_INCLUDE := #{other_include}\n"
    assert config.() =~ "PYTHON := #{python}\n"
    # The same text for another variable is something else.
    make.("PYTHON=#{other}", "")
    assert config.() =~ "PYTHON := #{other}\n"
    assert config.() =~ "PYTHON_INCLUDE := #{include}\n"
    make.("", "")
    assert config.() =~ "PYTHON_INCLUDE := #{include}\n"
  end

  test "a PYTHON, PYTHON_INCLUDE or ERL_EI_LIBDIR that is wrong is an error that says so, each time" do
    folder = folder!()
    place = copy_sources!(Path.join(folder, "sources"))
    run!("make build/config.mk", cd: place)

    old = Path.join(folder, "old_python")
    File.write!(old, "#!/bin/sh\necho 'configure: Python 3.10.1 is older than 3.11' >&2\nexit 1\n")
    File.chmod!(old, 0o755)

    for {variables, message} <- [
          {"PYTHON=/no/such/python", "PYTHON is /no/such/python, which is no program"},
          {"PYTHON=#{old}", "PYTHON is #{old}, which does not report its headers"},
          {"PYTHON_INCLUDE=#{folder}", "PYTHON_INCLUDE is #{folder}, which has no Python.h"},
          {"ERL_EI_INCLUDE_DIR=#{folder}", "#{folder} has no ei.h"},
          {"ERL_EI_LIBDIR=#{folder}", "#{folder} has no libei"}
        ],
        _time <- 1..2 do
      assert run!("! #{variables} make build/obj/wire/frame.o", cd: place) =~ message
    end

    run!("make build/config.mk", cd: place)
  end

  defp sha256(file), do: Base.encode16(:crypto.hash(:sha256, File.read!(file)))
end
