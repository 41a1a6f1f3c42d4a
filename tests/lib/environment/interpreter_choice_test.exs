defmodule PythonxPort.Environment.InterpreterChoiceTest do
  # Sessions in environments of all sorts, as users make them, and what is said about those that cannot be used.
  use ExUnit.Case, async: true

  import ExUnit.CaptureIO

  alias PythonxPort.{Error, TestUV}

  @moduletag timeout: 120_000

  setup_all do
    PythonxPort.session(fn session ->
      code = """
      import json, sys, sysconfig
      {"base": sys._base_executable, "prefix": sys.base_prefix, "version": "%d.%d" % sys.version_info[:2],
       "library": sysconfig.get_config_var("INSTSONAME"), "folder": sysconfig.get_config_var("LIBDIR")}
      """

      {:ok, found: PythonxPort.eval!(session, code)}
    end)
  end

  setup do
    folder =
      Path.join(System.tmp_dir!(), "pythonx_port-env-#{System.unique_integer([:positive])}-#{System.pid()}")

    File.mkdir_p!(folder)
    on_exit(fn -> File.rm_rf!(folder) end)
    {:ok, folder: folder}
  end

  # Ends with a module that only this environment has.
  defp mark(environment, name) do
    sites = Path.wildcard(Path.join(environment, "lib/python3*/{site,dist}-packages"))
    assert sites != []
    for site <- sites, do: File.write!(Path.join(site, "marked.py"), "name = '#{name}'\n")
  end

  defp run!(program, arguments) do
    {output, status} = System.cmd(program, arguments, stderr_to_stdout: true)
    assert status == 0, output
  end

  defp venv(context, name, arguments \\ []) do
    path = Path.join(context.folder, name)
    run!(context.found["base"], ["-m", "venv", "--without-pip"] ++ arguments ++ [path])
    mark(path, name)
    path
  end

  defp assert_used(python, prefix, name) do
    PythonxPort.session([python: python], fn session ->
      assert PythonxPort.eval!(session, "import sys; sys.prefix") == prefix
      assert PythonxPort.eval!(session, "sys.executable") == python
      if name, do: assert(PythonxPort.eval!(session, "import marked; marked.name") == name)
      # As what multiprocessing and tools do.
      code =
        "import subprocess; subprocess.check_output([sys.executable, '-c', 'import sys; print(sys.prefix)'], text=True)"

      assert PythonxPort.eval!(session, code) == prefix <> "\n"
    end)

    assert %{ok: true, problem: nil, prefix: ^prefix, python: ^python} = doctor(python: python)
  end

  defp doctor(options) do
    text = capture_io(fn -> send(self(), {:report, PythonxPort.doctor(options)}) end)
    assert_received {:report, report}
    assert report.text <> "\n" == text
    report
  end

  # What a session says, the doctor says, too.
  defp assert_problem(python, part) do
    assert {:error, %Error{kind: :start_failed} = error} = PythonxPort.start_link(python: python)
    assert [problem, "", "No Python was started: " <> _reason | rest] = String.split(error.message, "\n")
    assert problem =~ part
    refute Enum.any?(rest, &(&1 =~ part))
    assert %{ok: false, problem: problem, text: text} = doctor(python: python)
    assert problem =~ part
    assert text =~ ~r/^problem: +.*#{Regex.escape(part)}/m
    text
  end

  defp script(context, text) do
    path = Path.join(context.folder, "python3")
    File.write!(path, text)
    File.chmod!(path, 0o755)
    path
  end

  describe "a session runs in" do
    test "a venv, of links and of copies", context do
      links = venv(context, "links")
      assert_used(links <> "/bin/python", links, "links")
      assert_used(links <> "/bin/python3", links, "links")
      copies = venv(context, "copies", ["--copies"])
      assert_used(copies <> "/bin/python3", copies, "copies")
    end

    test "a venv of a venv", context do
      outer = venv(context, "outer")
      inner = Path.join(context.folder, "inner")
      run!(outer <> "/bin/python3", ["-m", "venv", "--without-pip", inner])
      mark(inner, "inner")
      assert_used(inner <> "/bin/python3", inner, "inner")
    end

    test "a venv that was moved", context do
      File.rename!(venv(context, "before"), Path.join(context.folder, "after"))
      after_all = Path.join(context.folder, "after")
      assert_used(after_all <> "/bin/python3", after_all, "before")
    end

    test "a venv in a folder with a blank and an umlaut in its name", context do
      path = venv(context, "größer als")
      assert_used(path <> "/bin/python3", path, "größer als")
    end

    @tag :virtualenv
    test "a virtualenv", context do
      path = Path.join(context.folder, "virtual")

      # Its script names the folder that it was installed in before that was renamed.
      arguments = ["-m", "virtualenv", "-q", "--no-seed", "-p", context.found["base"], path]
      run!(TestUV.beside("python3"), arguments)

      mark(path, "virtual")
      assert_used(path <> "/bin/python", path, "virtual")
    end

    @tag :uv
    test "a venv of uv", context do
      path = Path.join(context.folder, "uv")
      run!(TestUV.program(), ["venv", "-q", "--offline", "--python", context.found["base"], path])
      mark(path, "uv")
      assert_used(path <> "/bin/python3", path, "uv")
    end

    # No pyvenv.cfg; interpreter, library and packages in one folder. A Python that uv has installed looks the same.
    test "an environment like conda's", %{folder: folder, found: found} do
      library = Path.join(found["folder"], found["library"])
      python = "python" <> found["version"]

      for part <- ~w(bin lib conda-meta), do: File.mkdir_p!(Path.join(folder, part))
      File.cp!(Path.join([found["prefix"], "bin", python]), Path.join([folder, "bin", python]))
      File.ln_s!(python, Path.join(folder, "bin/python3"))
      File.ln_s!("python3", Path.join(folder, "bin/python"))
      File.cp!(library, Path.join([folder, "lib", found["library"]]))
      File.mkdir_p!(Path.join([folder, "lib", python, "site-packages"]))
      # Where Debian's Python looks instead, outside of a venv.
      File.mkdir_p!(Path.join([folder, "lib/python3/dist-packages"]))

      for name <- File.ls!(Path.join([found["prefix"], "lib", python])),
          name not in ["site-packages", "dist-packages"] do
        File.ln_s!(
          Path.join([found["prefix"], "lib", python, name]),
          Path.join([folder, "lib", python, name])
        )
      end

      mark(folder, "conda")
      assert %{ok: true, libpython: libpython} = doctor(python: folder <> "/bin/python")
      assert String.starts_with?(libpython, folder)

      PythonxPort.session([python: folder <> "/bin/python"], fn session ->
        assert PythonxPort.eval!(session, "import sys, marked; [sys.prefix, marked.name]") == [
                 folder,
                 "conda"
               ]
      end)
    end

    for python <-
          Path.wildcard(Path.expand("~/.pyenv/versions/3.1[1-9].*/bin/python3")) ++ ["/usr/bin/python3"],
        File.exists?(python) do
      test "#{python}" do
        case doctor(python: unquote(python)) do
          %{ok: true} ->
            PythonxPort.session([python: unquote(python)], fn session ->
              assert PythonxPort.eval!(session, "import sys; sys.executable") == unquote(python)
            end)

          %{problem: problem} ->
            assert problem =~ ~r/has no shared libpython|or later is needed|free-threaded/
        end
      end
    end

    test "one of several, each session in its own", context do
      sessions =
        for name <- ["one", "two", "three"] do
          {name, PythonxPort.start_session(python: venv(context, name) <> "/bin/python3")}
        end

      for {name, session} <- sessions do
        assert PythonxPort.eval!(session, "import marked; marked.name") == name
        PythonxPort.stop_session(session)
      end
    end
  end

  # Which of them a Python has depends on how it was built; it has one in any case.
  test "the host is the one that was wished for, or the problem says why not" do
    reports = for host <- [:library, :executable], do: {host, doctor(host: host)}
    assert doctor([]).host in ["library", "executable"]
    assert Enum.any?(reports, fn {_host, report} -> report.ok end)

    for {host, report} <- reports do
      if report.ok do
        assert report.host == to_string(host)
        PythonxPort.session([host: host], fn session -> assert PythonxPort.eval!(session, "1 + 1") == 2 end)
      else
        assert report.problem =~ "the host shall be the #{host}, but the interpreter"
        assert %PythonxPort.Error{message: message} = catch_error(PythonxPort.start_session(host: host))
        assert message =~ report.problem
      end
    end
  end

  describe "it is told" do
    test "that a path is wrong", context do
      assert_problem("/no/such/python3", "/no/such/python3 is not there, or not an executable file")

      assert_problem(
        "no-such-python",
        "no-such-python was not found on PATH: install Python 3.11 or later, or name one"
      )

      assert_problem(context.folder, "is not an executable file, but a folder: name the interpreter in it")
      assert_problem(script(context, "#!/bin/sh\necho hello\n"), "is it a Python interpreter?")
    end

    for python <- Path.wildcard(Path.expand("~/.pyenv/versions/{2.7,3.[6-9],3.10}.*/bin/python")) do
      test "that a Python is too old: #{python}" do
        assert_problem(unquote(python), "CPython 3.11 or later is needed")
      end
    end

    # Interpreters that are not everywhere answer by a script.
    defp answering(context, version, threads, library) do
      script(context, "#!/bin/sh\nprintf '%s\\n' '#{version}' '#{threads}' '#{library}' \"$0\"\n")
    end

    test "that a Python is too old", context do
      assert_problem(answering(context, "3.10", "", "/x"), "is Python 3.10: CPython 3.11 or later is needed")
    end

    test "that a Python is free-threaded", context do
      text =
        assert_problem(
          answering(context, "3.13", "t", "/x"),
          "is a free-threaded build, which is not supported"
        )

      assert text =~ "use the usual build of Python 3.13"
    end

    test "that a Python has no shared library", context do
      text =
        assert_problem(answering(context, "3.12", "", ""), "has no shared libpython3.12, and does not export")

      assert text =~ "or use another build of Python"
    end

    test "that a venv has lost its Python, of links", context do
      path = venv(context, "venv")
      home = Path.join(context.folder, "gone")
      File.rm!(path <> "/bin/python3")
      File.rm!(path <> "/bin/python")
      File.ln_s!(home <> "/bin/python3", path <> "/bin/python3")
      File.ln_s!("python3", path <> "/bin/python")
      File.write!(path <> "/pyvenv.cfg", "home = #{home}/bin\n")
      part = "the Python in #{home}/bin that the venv was made from is gone: make the venv again"
      assert_problem(path <> "/bin/python3", part)
      assert_problem(path <> "/bin/python", part)
    end

    test "that a venv has lost its Python, of copies", context do
      # It has an interpreter that finds no library.
      File.write!(Path.join(context.folder, "pyvenv.cfg"), "home = /no/such/bin\n")

      assert_problem(
        script(context, "#!/bin/sh\nexit 1\n"),
        "the Python in /no/such/bin that the venv was made from is gone"
      )
    end
  end

  describe "the doctor" do
    test "says who has chosen", context do
      path = venv(context, "venv") <> "/bin/python3"
      assert %{chosen_by: "the option :python"} = report = doctor(python: path)
      assert report.text =~ "chosen by:   the option :python\n"
      assert report.text =~ "verdict:     all is well: sessions can start"
      assert %{chosen_by: "$PYTHONX_PYTHON"} = doctor(env: [{"PYTHONX_PYTHON", path}])

      assert %{chosen_by: "$VIRTUAL_ENV"} =
               doctor(
                 env: [{"PYTHONX_PYTHON", nil}, {"VIRTUAL_ENV", path |> Path.dirname() |> Path.dirname()}]
               )
    end

    test "says what is wrong with the rest" do
      assert %{ok: false, problem: "/no/such/program is not an executable file"} =
               doctor(executable: "/no/such/program")

      assert %{ok: false, problem: "/no/such/folder is not a directory"} = doctor(cd: "/no/such/folder")
      assert_raise ArgumentError, fn -> PythonxPort.doctor(pyhton: "x") end
    end
  end
end
