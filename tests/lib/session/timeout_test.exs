defmodule PythonxPort.Session.TimeoutTest do
  use PythonxPort.SessionCase, async: true

  import ExUnit.CaptureLog

  alias PythonxPort.TimeFactor

  # Milliseconds in which code has got into its `try`.
  @soon TimeFactor.stretch(20)

  # Is in C code with the GIL, and looks at nothing, so that no exception can end it.
  @stuck "import itertools; sum(itertools.repeat(0))"
  # Not `while True: pass`: CPython 3.11 runs no `finally` where an interrupt comes as that jumps back to the first
  # instruction behind `try`.
  @loop "for n in iter(int, 1): pass"

  defp unique_name, do: :"timeout_#{System.unique_integer([:positive])}"

  describe "a timeout" do
    test "ends a request, after which the session is as before", %{session: session} do
      PythonxPort.exec!(session, "kept = [1]")
      code = "try:\n    #{@loop}\nfinally:\n    kept.append(2)"

      assert {:error, %Error{kind: :timeout, traceback: traceback}} =
               PythonxPort.exec(session, code, timeout: @soon)

      assert traceback =~ "TimedOut"
      assert PythonxPort.eval(session, "kept") == {:ok, [1, 2]}
    end

    test "is one of eval, exec and call", %{session: session} do
      # The first traceback imports the module for it.
      grace = TimeFactor.stretch(5_000)

      for request <- [
            &PythonxPort.eval(session, "import time; time.sleep(60)", &1),
            &PythonxPort.exec(session, "import time; time.sleep(60)", &1),
            &PythonxPort.call(session, "time.sleep", [60], [], &1)
          ],
          timeout <- [0, 1, 30] do
        assert {:error, %Error{kind: :timeout}} = request.(timeout: timeout, grace: grace)
      end

      assert_raise Error, fn -> PythonxPort.eval!(session, "while True: pass", timeout: 1) end
      assert PythonxPort.eval(session, "1", timeout: 60_000) == {:ok, 1}
    end

    test "counts the time that a request waits, and keeps it from running", %{session: session} do
      gate = Gate.new()
      running = PythonxPort.async_eval(session, Gate.wait(gate))
      assert {:error, %Error{kind: :timeout}} = PythonxPort.exec(session, "ran = True", timeout: 20)
      Gate.open(gate)
      assert PythonxPort.await(running) == {:ok, nil}
      assert PythonxPort.eval(session, "'ran' in globals()") == {:ok, false}
    end

    test "is waited for where code tidies up", %{session: session} do
      code = """
      import time
      try:
          #{@loop}
      finally:
          time.sleep(0.3)
          tidy = True
      """

      assert {:error, %Error{kind: :timeout}} = PythonxPort.exec(session, code, timeout: @soon)
      assert PythonxPort.eval(session, "tidy") == {:ok, true}
    end

    test "that code overcomes is none", %{session: session} do
      code = """
      import erlang
      try:
          #{@loop}
      except erlang.TimedOut:
          answer = 'made it'
      answer
      """

      assert PythonxPort.eval(session, code, timeout: @soon) == {:ok, "made it"}
    end

    test "is there in any case, also where the session does not answer", %{session: session} do
      :sys.suspend(session)
      assert {:error, %Error{kind: :timeout}} = PythonxPort.eval(session, "ran = True", timeout: 10)
      :sys.resume(session)
      assert PythonxPort.eval(session, "'ran' in globals()") == {:ok, false}
      refute_received _anything
    end

    test "is there while a session starts" do
      name = unique_name()
      gate = Gate.new()
      starter = Task.async(fn -> PythonxPort.start_link(name: name, init: Gate.wait(gate)) end)
      assert OSProcess.eventually(fn -> Process.whereis(name) end)
      assert {:error, %Error{kind: :timeout}} = PythonxPort.eval(name, "ran = True", timeout: 10)
      Gate.open(gate)
      assert {:ok, _session} = Task.await(starter)
    end
  end

  describe "a request that does not end within its grace" do
    @describetag :capture_log

    test "after its timeout has its process killed, which all are told of", %{session: session} do
      waiting =
        for _ <- 1..3 do
          Task.async(fn ->
            receive do: (:go -> :ok)
            PythonxPort.eval(session, "1")
          end)
        end

      test = self()

      stuck =
        Task.async(fn ->
          PythonxPort.exec(session, "import erlang; erlang.send(test, 'begun')\n" <> @stuck,
            bindings: [test: test],
            timeout: 50,
            grace: 200
          )
        end)

      assert_receive "begun"
      for task <- waiting, do: send(task.pid, :go)
      assert {:error, %Error{kind: :killed, signal: :sigkill, message: message}} = Task.await(stuck)
      assert message =~ "within 200 ms after its timeout of 50 ms"

      for task <- waiting do
        assert {:error, %Error{kind: :crashed, message: message}} = Task.await(task)
        assert message =~ "did not end within 200 ms"
      end
    end

    test "after it was cancelled, too", %{session: session} do
      task = PythonxPort.async_exec(session, @stuck, grace: 50)
      assert OSProcess.eventually(fn -> PythonxPort.info!(session).running end)
      PythonxPort.cancel(task)
      assert {:error, %Error{kind: :killed, message: message}} = PythonxPort.await(task)
      assert message =~ "within 50 ms after it was cancelled"
    end

    test "after its await expired, too", %{session: session} do
      monitor = Process.monitor(session)
      task = PythonxPort.async_exec(session, @stuck, grace: 50)
      assert PythonxPort.await(task, 50) == {:error, :timeout}
      assert_receive {:DOWN, ^monitor, :process, ^session, {%Error{kind: :crashed, signal: :sigkill}, _stack}}
      assert {:error, %Error{kind: :cancelled}} = PythonxPort.await(task)
      refute_received _anything
    end

    test "after its caller died, too" do
      session = PythonxPort.start_session(grace: 50, link: false)
      monitor = Process.monitor(session)
      caller = spawn(fn -> PythonxPort.exec(session, @stuck) end)
      assert OSProcess.eventually(fn -> PythonxPort.info!(session).running end)
      Process.exit(caller, :kill)
      assert_receive {:DOWN, ^monitor, :process, ^session, {%Error{kind: :crashed}, _stack}}
    end

    test "is killed also where it only catches what should end it" do
      session = PythonxPort.start_session(grace: 100, link: false)
      code = "while True:\n    try:\n        #{@loop}\n    except BaseException: pass"
      assert {:error, %Error{kind: :killed}} = PythonxPort.exec(session, code, timeout: 20)
    end

    test "is replaced by its supervisor" do
      name = unique_name()
      start_supervised!({PythonxPort, name: name, init: "loaded = True", grace: 50})
      first = Process.whereis(name)

      log =
        capture_log(fn ->
          assert {:error, %Error{kind: :killed}} = PythonxPort.exec(name, @stuck, timeout: 10)
          assert OSProcess.eventually(fn -> Process.whereis(name) not in [nil, first] end)
        end)

      assert log =~ "a request did not end within 50 ms after its timeout of 10 ms"
      assert PythonxPort.eval(name, "loaded") == {:ok, true}
    end

    test "is replaced as often as it takes" do
      name = unique_name()
      child = Supervisor.child_spec({PythonxPort, name: name, grace: 20}, [])

      start_supervised!(%{
        id: :top,
        start: {Supervisor, :start_link, [[child], [strategy: :one_for_one, max_restarts: 100]]}
      })

      for n <- 1..5 do
        previous = Process.whereis(name)

        # So long that it has begun by then, also on a busy machine; and the caller does not give up before the session.
        task = PythonxPort.async_exec(name, @stuck, timeout: 500)
        assert {:error, %Error{kind: :killed}} = PythonxPort.await(task, 20_000)
        assert OSProcess.eventually(fn -> Process.whereis(name) not in [nil, previous] end)
        assert PythonxPort.eval(name, "n", bindings: [n: n]) == {:ok, n}
      end
    end

    test "goes on where the grace is :infinity, and its caller does not wait", %{session: session} do
      code = "import itertools; sum(itertools.repeat(0, 100_000_000))"
      assert {:error, %Error{kind: :timeout}} = PythonxPort.exec(session, code, timeout: 10, grace: :infinity)
      assert {:ok, _} = PythonxPort.eval(session, "1")
    end
  end

  test "options that are wrong are refused in the calling process", %{session: session} do
    for options <- [
          [timeout: -1],
          [timeout: 1.5],
          [timeout: 2 ** 32],
          [grace: -1],
          [grace: nil],
          [concurrent: 1]
        ] do
      assert_raise(ArgumentError, fn -> PythonxPort.eval(session, "1", options) end)
    end

    for grace <- [-1, nil, "5"],
        do: assert_raise(ArgumentError, fn -> PythonxPort.start_session(grace: grace) end)
  end
end
