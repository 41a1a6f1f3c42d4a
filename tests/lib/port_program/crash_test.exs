defmodule PythonxPort.PortProgram.CrashTest do
  # Unexpected ends of the Python process: an error for the callers, and nothing worse.
  use PythonxPort.SessionCase, async: true

  import ExUnit.CaptureLog

  @moduletag :capture_log

  # Runs code that ends the process; the error that came, after what holds for each such error was checked.
  defp crash(session, code) do
    os_pid = OSProcess.of(session)
    monitor = Process.monitor(session)
    assert {:error, %Error{kind: :crashed} = error} = PythonxPort.exec(session, code)
    assert_receive {:DOWN, ^monitor, :process, ^session, {^error, _stacktrace}}
    OSProcess.assert_gone(os_pid)
    assert {:error, %Error{kind: :not_running}} = PythonxPort.exec(session, "pass")
    refute_received _anything
    error
  end

  test "os._exit", %{session: session} do
    error = crash(session, "import os; os._exit(3)")
    assert %Error{exit_status: 3, signal: nil, traceback: nil} = error
    assert error.message == "the Python process exited with status 3"
  end

  test "os._exit with status 0", %{session: session} do
    assert %Error{exit_status: 0, signal: nil} = crash(session, "import os; os._exit(0)")
  end

  test "a segmentation fault, with Python's traceback", %{session: session} do
    code = "import ctypes\n\ndef read_null():\n    ctypes.string_at(0)\n\nread_null()"
    error = crash(session, PythonxPort.Code.new(code, file: "lib/reader.ex", line: 30))
    assert %Error{signal: :sigsegv, exit_status: 139} = error
    assert error.message == "the Python process was killed by SIGSEGV"
    assert error.traceback =~ "Segmentation fault"
    assert error.traceback =~ ~s(File "lib/reader.ex", line 33 in read_null)
    assert error.traceback =~ ~s(File "lib/reader.ex", line 35 in <module>)
  end

  test "a segmentation fault in a thread", %{session: session} do
    code =
      "import ctypes, threading\nt = threading.Thread(target=ctypes.string_at, args=(0,))\nt.start()\nt.join()"

    assert %Error{signal: :sigsegv, traceback: traceback} = crash(session, code)
    assert traceback =~ "Segmentation fault"
  end

  test "os.abort", %{session: session} do
    assert %Error{signal: :sigabrt, exit_status: 134, traceback: traceback} =
             crash(session, "import os; os.abort()")

    assert traceback =~ "Aborted"
  end

  test "a stack that overflows in C", %{session: session} do
    code = "import sys\nsys.setrecursionlimit(10**9)\nx = []\nfor _ in range(1_000_000): x = [x]\nrepr(x)"

    case PythonxPort.exec(session, code) do
      {:error, %Error{kind: :crashed} = error} ->
        assert %Error{signal: :sigsegv, traceback: "Fatal Python error: Segmentation fault" <> _rest} = error

      # From 3.12 on, Python guards this stack, too.
      {:error, error} ->
        assert %Error{kind: :exception, type: "RecursionError"} = error
    end
  end

  test "signals that are raised within", %{session: session} do
    assert %Error{signal: :sigkill, exit_status: 137, traceback: nil, message: message} =
             crash(session, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")

    assert message =~ "SIGKILL"

    for {name, signal} <- [
          {"SIGTERM", :sigterm},
          {"SIGBUS", :sigbus},
          {"SIGILL", :sigill}
        ] do
      session = PythonxPort.start_session(link: false)

      code =
        "import os, signal; signal.signal(signal.SIGTERM, signal.SIG_DFL); os.kill(os.getpid(), signal.#{name})"

      assert %Error{signal: ^signal} = crash(session, code)
    end
  end

  test "SIGKILL from outside, while a request runs", %{session: session} do
    os_pid = OSProcess.of(session)
    task = PythonxPort.async_exec(session, "while True: pass")
    OSProcess.kill(os_pid, "KILL")
    assert {:error, %Error{kind: :crashed, signal: :sigkill}} = PythonxPort.await(task)
  end

  test "SIGKILL from outside, while nothing runs", %{session: session} do
    os_pid = OSProcess.of(session)
    monitor = Process.monitor(session)
    OSProcess.kill(os_pid, "KILL")
    assert_receive {:DOWN, ^monitor, :process, ^session, {%Error{signal: :sigkill}, _stacktrace}}
  end

  test "sys.exit is an exception, not an end", %{session: session} do
    assert {:error, %Error{kind: :exception, type: "SystemExit"}} =
             PythonxPort.exec(session, "import sys; sys.exit(1)")

    assert PythonxPort.eval(session, "1") == {:ok, 1}
  end

  test "each request that waits gets one error, in one process or many", %{session: session} do
    gate = Gate.new()

    callers =
      for _ <- 1..20, do: Task.async(fn -> PythonxPort.exec(session, Gate.wait(gate) <> "os._exit(4)") end)

    assert OSProcess.eventually(fn -> PythonxPort.info!(session).queued == 19 end)
    tasks = for _ <- 1..20, do: PythonxPort.async_exec(session, "pass")
    Gate.open(gate)
    results = Task.await_many(callers) ++ Enum.map(tasks, &PythonxPort.await/1)
    assert Enum.all?(results, &match?({:error, %Error{kind: :crashed}}, &1))
    assert Enum.all?(results, &(&1 == hd(results)))
    refute_receive _anything, 50
  end

  test "the request that follows a crash at once is not answered with that crash" do
    name = :"crashing_#{System.unique_integer([:positive])}"

    for _ <- 1..5 do
      PythonxPort.start_session(name: name, link: false)
      assert {:error, %Error{kind: :crashed}} = PythonxPort.exec(name, "import os; os._exit(1)")
      assert {:error, %Error{kind: :not_running}} = PythonxPort.exec(name, "pass")
    end
  end

  test "what was written before it is not lost", %{session: session} do
    code = "import os; print('last words', flush=True); os._exit(1)"
    assert {:error, %Error{kind: :crashed}} = PythonxPort.exec(session, code, output: self())
    assert_received {:pythonx_output, ^session, :stdout, "last words\n"}
  end

  test "a crash during a large request is one, too", %{session: session} do
    killer = Task.async(fn -> PythonxPort.exec(session, "import os, time; time.sleep(0.05); os._exit(5)") end)
    big = :binary.copy("x", 64 * 1024 * 1024)
    results = for _ <- 1..3, do: PythonxPort.eval(session, "len(x)", bindings: [x: big])
    assert {:error, %Error{kind: :crashed}} = Task.await(killer)

    for result <- results do
      assert {:error, %Error{kind: kind}} = result
      assert kind in [:crashed, :not_running]
    end
  end

  test "children of Python that live on do not hide its end" do
    session = PythonxPort.start_session(children: :keep, link: false)

    code = """
    import os, time
    child = os.fork()
    if child == 0:
        time.sleep(60)
        os._exit(0)
    child
    """

    # From 3.12 on, Python warns of forks.
    child = PythonxPort.eval!(session, code, output: :ignore)
    assert %Error{exit_status: 6} = crash(session, "os._exit(6)")
    assert OSProcess.alive?(child)
    OSProcess.kill(child, "KILL")
  end

  test "a crash touches no other session", %{session: session} do
    other = PythonxPort.start_session(init: "x = 1")
    crash(session, "import os; os.abort()")
    assert PythonxPort.eval(other, "x") == {:ok, 1}
  end

  test "the report of a crash is read and removed", %{session: session} do
    path = :sys.get_state(session).crash_file
    refute File.exists?(path)
    assert %Error{traceback: "Fatal Python error" <> _rest} = crash(session, "import os; os.abort()")
    refute File.exists?(path)
  end

  test "the report of a crash that nobody saw is removed" do
    session = PythonxPort.start_session(link: false)
    os_pid = OSProcess.of(session)
    path = :sys.get_state(session).crash_file
    PythonxPort.async_exec(session, "while True: pass")
    monitor = Process.monitor(session)
    # The session is held still, so that it is killed before it sees the crash.
    :sys.suspend(session)
    OSProcess.kill(os_pid, "ABRT")
    OSProcess.assert_gone(os_pid)
    assert File.exists?(path)
    Process.exit(session, :kill)
    assert_receive {:DOWN, ^monitor, :process, ^session, :killed}
    assert OSProcess.eventually(fn -> not File.exists?(path) end)
  end

  test "is logged with what is known of it", %{session: session} do
    assert capture_log(fn -> crash(session, "import os; os.abort()") end) =~ "killed by SIGABRT"
  end
end
