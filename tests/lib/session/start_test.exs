defmodule PythonxPort.Session.StartTest do
  # Sessions that cannot be started: an error that says why, the caller alive, and nothing left behind.
  use ExUnit.Case, async: true

  alias PythonxPort.{Error, OSProcess}

  # Through each of the ways to start one; the error is the same.
  defp start_error(options) do
    assert {:error, %Error{} = error} = PythonxPort.start_link(options)
    raised = assert_raise Error, fn -> PythonxPort.start_session(options) end
    assert raised == error
    refute_received _anything
    error
  end

  defp script(context, text) do
    path = Path.join(System.tmp_dir!(), "pythonx_port-#{System.unique_integer([:positive])}-#{System.pid()}")
    File.write!(path, text)
    File.chmod!(path, 0o755)
    on_exit(context, fn -> File.rm(path) end)
    path
  end

  test "an interpreter that is not there" do
    error = start_error(python: "/no/such/python3")
    assert %Error{kind: :start_failed, exit_status: 1} = error

    assert String.starts_with?(
             error.message,
             "/no/such/python3 is not there, or not an executable file\n\nNo Python was"
           )

    assert error.message =~ ~r/^chosen by: +the option :python$/m
    refute error.message =~ "problem:"
    assert [_before, _after] = String.split(error.message, "is not there")
    assert start_error(python: "no-such-python3").message =~ "no-such-python3"
  end

  test "the problem is not printed besides" do
    code = """
    {:ok, _apps} = Application.ensure_all_started(:pythonx_port)
    {:error, error} = PythonxPort.start_link(python: "/no/such/python3")
    IO.puts(error.message)
    """

    args = ["-pa", Application.app_dir(:pythonx_port, "ebin"), "-e", code]
    {output, 0} = System.cmd("elixir", args, stderr_to_stdout: true)
    assert output =~ "/no/such/python3 is not there"
    refute output =~ "pythonx_port: /no/such/python3"
  end

  test "an interpreter that is none", context do
    path = script(context.test, "#!/bin/sh\necho nonsense\n")
    assert start_error(python: path).message =~ "is it a Python interpreter?"
    assert %Error{kind: :start_failed} = start_error(python: System.tmp_dir!())
  end

  test "a program that is none, although one stands beside it" do
    assert start_error(python: System.find_executable("true")).message =~ "is it a Python interpreter?"
  end

  test "a port program that is not there, or is another", context do
    assert start_error(executable: "/no/such/program").message =~ "/no/such/program is not an executable file"
    assert start_error(executable: System.tmp_dir!()).message =~ "is not an executable file"
    silent = script(context.test, "#!/bin/sh\nexit 0\n")
    assert %Error{kind: :start_failed, exit_status: 0} = start_error(executable: silent)
    other = script({context.test, :other}, "#!/bin/sh\nprintf '\\000\\000\\000\\003\\203a\\007'\nsleep 60\n")
    assert start_error(executable: other).message =~ "is no port program"
  end

  test "a port program of another protocol", context do
    ready = :erlang.term_to_binary({:ready, %{protocol: 2}})
    bytes = <<byte_size(ready)::32, ready::binary>>

    octal =
      for <<byte <- bytes>>, into: "", do: "\\" <> String.pad_leading(Integer.to_string(byte, 8), 3, "0")

    path = script(context.test, "#!/bin/sh\nprintf '#{octal}'\nsleep 60\n")
    assert start_error(executable: path).message =~ "of another version than this library"
  end

  test "a directory that is not there" do
    assert start_error(cd: "/no/such/directory").message =~ "/no/such/directory is not a directory"
  end

  test "a memory limit that Python does not fit in" do
    error = start_error(memory_limit: 1_000_000)
    assert error.kind == :start_failed
    assert error.message =~ "under a memory limit of 1000000 bytes"
  end

  describe "Python that does not come up" do
    defp folder(context, files) do
      path =
        Path.join(System.tmp_dir!(), "pythonx_port-#{System.unique_integer([:positive])}-#{System.pid()}")

      for {name, text} <- files do
        file = Path.join(path, name)
        File.mkdir_p!(Path.dirname(file))
        File.write!(file, text)
      end

      on_exit(context, fn -> File.rm_rf(path) end)
      path
    end

    defp assert_traceback(env, part) do
      # Two of these are not equal: Python prints addresses.
      assert {:error, %Error{kind: :start_failed} = error} = PythonxPort.start_link(env: env)
      assert error.traceback =~ part
      refute error.message =~ part
      assert error.message =~ ~r/\A.*see below.*\n\nNo Python was started: /
      assert Exception.message(error) =~ part

      text =
        ExUnit.CaptureIO.capture_io(fn ->
          report = PythonxPort.doctor(env: env)
          assert %{ok: false, problem: problem, traceback: traceback} = report
          assert problem =~ "see above"
          assert traceback =~ part
        end)

      assert text =~ part
    end

    test "for a sitecustomize that exits", context do
      path = folder(context.test, %{"sitecustomize.py" => "import sys\nsys.exit(3)"})
      assert_traceback([{"PYTHONPATH", path}], "line 2, in <module>")
    end

    test "for a file that the encodings hide behind", context do
      path = folder(context.test, %{"encodings/__init__.py" => "1 / 0"})
      assert_traceback([{"PYTHONPATH", path}], "ZeroDivisionError")
    end

    test "for a home without a library" do
      assert_traceback([{"PYTHONHOME", "/no/such/home"}], "No module named 'encodings'")
    end

    test "in a session alone", context do
      # The interpreter itself runs: the port program is not called what this looks for.
      code = """
      import sys
      if "-c" not in sys.orig_argv: raise KeyboardInterrupt("only here")
      """

      path = folder(context.test, %{"sitecustomize.py" => code})
      assert_traceback([{"PYTHONPATH", path}], "KeyboardInterrupt: only here")
    end
  end

  test "what Python prints as it starts comes after its start", context do
    code = """
    import faulthandler, logging
    enable = faulthandler.enable
    def loud(*arguments, **options):
        print("printed")
        logging.warning("logged")
        return enable(*arguments, **options)
    faulthandler.enable = loud
    """

    path = folder(context.test, %{"sitecustomize.py" => code})
    test = self()

    options = [
      env: [{"PYTHONPATH", path}, {"PYTHONVERBOSE", "1"}],
      output: test,
      log: &send(test, {:log, &1})
    ]

    session = PythonxPort.start_session(options)
    assert PythonxPort.eval!(session, "1 + 1") == 2
    assert_received {:log, %{message: "logged"}}
  end

  test "init code that raises" do
    error = start_error(init: ["x = 1", "import math\nmath.sqrt(-x)"])
    assert %Error{kind: :exception, type: "ValueError"} = error
    assert error.traceback =~ ~s(File "<init 2>", line 2)
    assert error.traceback =~ "math.sqrt(-x)"
  end

  test "init code that does not compile" do
    assert %Error{kind: :syntax} = start_error(init: "def f(:")
  end

  test "init code that ends the process" do
    assert %Error{kind: :crashed, exit_status: 7} = start_error(init: "import os; os._exit(7)")
  end

  test "init code that takes too long" do
    path =
      Path.join(System.tmp_dir!(), "pythonx_port-pid-#{System.unique_integer([:positive])}-#{System.pid()}")

    on_exit(fn -> File.rm(path) end)

    init =
      PythonxPort.Code.new("""
      import os
      with open(os.environ["PID_FILE"], "w") as file: file.write(str(os.getpid()))
      while True: pass
      """)

    options = [init: init, init_timeout: 3_000, env: [{"PID_FILE", path}]]
    assert {:error, %Error{kind: :timeout, message: message}} = PythonxPort.start_link(options)
    assert message =~ "not ready within 3000 ms"
    path |> File.read!() |> String.to_integer() |> OSProcess.assert_gone()
  end

  test "a caller that traps exits gets no message besides the error" do
    Process.flag(:trap_exit, true)
    assert {:error, %Error{}} = PythonxPort.start_link(init: "1 / 0")
    refute_receive _anything, 50
  end

  test "a supervisor learns the error" do
    Process.flag(:trap_exit, true)

    ExUnit.CaptureLog.capture_log(fn ->
      assert {:error, {:shutdown, {:failed_to_start_child, PythonxPort, %Error{type: "ZeroDivisionError"}}}} =
               Supervisor.start_link([{PythonxPort, init: "1 / 0"}], strategy: :one_for_one)
    end)
  end

  test "no crash report is left behind" do
    before = crash_files()
    assert {:error, %Error{signal: :sigabrt}} = PythonxPort.start_link(init: "import os; os.abort()")
    assert OSProcess.eventually(fn -> crash_files() -- before == [] end)
  end

  defp crash_files, do: Path.wildcard(Path.join(System.tmp_dir!(), "pythonx_port-*.crash"))
end
