defmodule PythonxPort.Session.CancellationTest do
  use PythonxPort.SessionCase, async: true

  # Not `while True: pass`: CPython 3.11 runs no `finally` where an interrupt comes as that jumps back to the first
  # instruction behind `try`.
  @loop "for n in iter(int, 1): pass"

  # Code that does not end on its own, and reports to this process how it was ended.
  @endless """
  import erlang
  try:
      erlang.send(test, "begun")
      #{@loop}
  except BaseException as error:
      erlang.send(test, type(error).__name__)
      raise
  finally:
      erlang.send(test, "finally")
  """

  defp begin_endless(session, options \\ []) do
    task = PythonxPort.async_exec(session, @endless, [bindings: [test: self()]] ++ options)
    assert_receive "begun"
    task
  end

  describe "cancel" do
    test "ends what runs with an exception, after which the session is as before", %{session: session} do
      PythonxPort.exec!(session, "kept = 5")
      task = begin_endless(session)
      assert PythonxPort.cancel(task) == :ok
      assert {:error, %Error{kind: :cancelled}} = PythonxPort.await(task)
      assert_received "Cancelled"
      assert_received "finally"
      assert PythonxPort.eval(session, "kept") == {:ok, 5}
    end

    test "ends what sleeps, and what waits for a lock", %{session: session} do
      for code <- [
            "import time; time.sleep(60)",
            "import threading; lock = threading.Lock(); lock.acquire(); lock.acquire()",
            "import queue; queue.Queue().get()",
            "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
          ] do
        task = PythonxPort.async_exec(session, code)
        assert OSProcess.eventually(fn -> PythonxPort.info!(session).running end)
        PythonxPort.cancel(task)
        assert {:error, %Error{kind: :cancelled}} = PythonxPort.await(task, 10_000)
      end

      assert PythonxPort.eval(session, "1") == {:ok, 1}
    end

    test "is no Exception, and tells where Python was", %{session: session} do
      code = """
      import erlang
      def work():
          erlang.send(test, "begun")
          while True:
              try:
                  #{@loop}
              except Exception:
                  pass
      work()
      """

      task = PythonxPort.async_exec(session, code, bindings: [test: self()])
      assert_receive "begun"
      PythonxPort.cancel(task)
      assert {:error, %Error{kind: :cancelled, traceback: traceback}} = PythonxPort.await(task)
      assert traceback =~ "in work"
    end

    test "of what waits keeps it from running, and leaves the others alone", %{session: session} do
      gate = Gate.new()
      running = PythonxPort.async_eval(session, Gate.wait(gate) <> "order = []\n'done'")
      tasks = for n <- 1..10, do: PythonxPort.async_exec(session, "order.append(n)", bindings: [n: n])
      for task <- Enum.drop_every(tasks, 2), do: PythonxPort.cancel(task)

      for task <- Enum.drop_every(tasks, 2),
          do: assert({:error, %Error{kind: :cancelled}} = PythonxPort.await(task))

      Gate.open(gate)
      assert PythonxPort.await(running) == {:ok, "done"}
      for task <- Enum.take_every(tasks, 2), do: assert(PythonxPort.await(task) == {:ok, nil})
      assert PythonxPort.eval(session, "order") == {:ok, [1, 3, 5, 7, 9]}
    end

    test "of what is done changes nothing", %{session: session} do
      task = PythonxPort.async_eval(session, "1")
      assert PythonxPort.eval(session, "2") == {:ok, 2}
      PythonxPort.cancel(task)
      PythonxPort.cancel(task)
      assert PythonxPort.eval(session, "3") == {:ok, 3}
      assert PythonxPort.await(task) == {:ok, 1}
      PythonxPort.cancel(task)
      assert PythonxPort.eval(session, "4") == {:ok, 4}
    end

    test "can be asked for by another process, and more than once", %{session: session} do
      task = begin_endless(session)
      for _ <- 1..3, do: Task.await(Task.async(fn -> PythonxPort.cancel(task) end))
      assert {:error, %Error{kind: :cancelled}} = PythonxPort.await(task)
      assert PythonxPort.eval(session, "1") == {:ok, 1}
    end

    test "comes again where code holds on", %{session: session} do
      code = """
      import erlang
      for n in range(3):
          try:
              erlang.send(test, n)
              #{@loop}
          except erlang.Cancelled:
              pass
      'went on'
      """

      task = PythonxPort.async_eval(session, code, bindings: [test: self()])

      for n <- 0..2 do
        assert_receive ^n
        PythonxPort.cancel(task)
      end

      # It has ended on its own, with a value.
      assert PythonxPort.await(task) == {:ok, "went on"}
    end

    test "of a request to a session that is gone is no error", %{session: session} do
      task = PythonxPort.async_eval(session, "1")
      PythonxPort.stop_session(session)
      assert PythonxPort.cancel(task) == :ok
      late = PythonxPort.async_eval(session, "1")
      assert PythonxPort.cancel(late) == :ok
      assert {:error, %Error{kind: :not_running}} = PythonxPort.await(late)
    end

    test "leaves nothing behind in the session", %{session: session} do
      for _ <- 1..20, do: session |> begin_endless() |> PythonxPort.cancel()
      assert PythonxPort.eval(session, "1") == {:ok, 1}
      assert %{pending: pending, ids: ids} = :sys.get_state(session)
      assert {pending, ids} == {%{}, %{}}
    end
  end

  describe "an expired await" do
    test "cancels", %{session: session} do
      task = begin_endless(session)
      assert PythonxPort.await(task, 10) == {:error, :timeout}
      assert_receive "Cancelled"
      assert_receive "finally"
      assert {:error, %Error{kind: :cancelled}} = PythonxPort.await(task)
      assert {:error, %Error{kind: :cancelled}} = PythonxPort.await(task, 0)
      assert PythonxPort.eval(session, "1") == {:ok, 1}
      refute_received _anything
    end

    test "of what waits keeps it from running", %{session: session} do
      gate = Gate.new()
      running = PythonxPort.async_eval(session, Gate.wait(gate))
      waiting = PythonxPort.async_exec(session, "ran = True")
      assert PythonxPort.await(waiting, 0) == {:error, :timeout}
      # An expired await does not wait for the end. It is read before this is.
      assert {:ok, _info} = PythonxPort.info(session)
      Gate.open(gate)
      assert PythonxPort.await(running) == {:ok, nil}
      assert PythonxPort.eval(session, "'ran' in globals()") == {:ok, false}
    end

    test "that meets its reply gives the one or the other, and the segments of both back", %{session: session} do
      PythonxPort.exec!(session, "big = b'x' * (2 << 20)")

      for n <- 1..50 do
        task = PythonxPort.async_eval(session, "big")

        case PythonxPort.await(task, rem(n, 5)) do
          {:ok, big} -> assert byte_size(big) == 2_097_152
          {:error, :timeout} -> assert {:error, %Error{kind: :cancelled}} = PythonxPort.await(task)
        end
      end

      assert PythonxPort.eval(session, "1") == {:ok, 1}
      assert OSProcess.eventually(fn -> :sys.get_state(session).leases.holders == %{} end)
      refute_received _anything
    end
  end

  describe "a caller that dies" do
    test "takes what runs along", %{session: session} do
      test = self()

      caller =
        spawn(fn -> PythonxPort.exec(session, @endless, bindings: [test: test], timeout: :infinity) end)

      assert_receive "begun"
      Process.exit(caller, :kill)
      assert_receive "Cancelled"
      assert PythonxPort.eval(session, "1") == {:ok, 1}
    end

    test "takes along what waits, which never runs", %{session: session} do
      gate = Gate.new()
      running = PythonxPort.async_eval(session, Gate.wait(gate) <> "ran = []")

      callers =
        for n <- 1..20, do: spawn(fn -> PythonxPort.exec(session, "ran.append(n)", bindings: [n: n]) end)

      assert OSProcess.eventually(fn -> PythonxPort.info!(session).queued == 20 end)
      Enum.each(callers, &Process.exit(&1, :kill))
      assert OSProcess.eventually(fn -> PythonxPort.info!(session).queued == 0 end)
      Gate.open(gate)
      assert PythonxPort.await(running) == {:ok, nil}
      assert PythonxPort.eval(session, "ran") == {:ok, []}
    end

    test "before the session comes to its request is not served", %{session: session} do
      :sys.suspend(session)
      {caller, monitor} = spawn_monitor(fn -> PythonxPort.exec(session, "ran = True") end)

      assert OSProcess.eventually(fn ->
               Process.info(session, :message_queue_len) > {:message_queue_len, 0}
             end)

      Process.exit(caller, :kill)
      assert_receive {:DOWN, ^monitor, :process, ^caller, :killed}
      # The session looks at callers of requests that have waited for some time.
      Process.sleep(150)
      :sys.resume(session)
      assert PythonxPort.eval(session, "'ran' in globals()") == {:ok, false}
    end

    test "by itself, after it asked for something, takes it along, too", %{session: session} do
      test = self()

      spawn(fn ->
        PythonxPort.async_exec(session, @endless, bindings: [test: test])
        receive do: (:end -> :ok)
      end)
      |> tap(fn caller ->
        assert_receive "begun"
        send(caller, :end)
      end)

      assert_receive "Cancelled"
      assert PythonxPort.eval(session, "1") == {:ok, 1}
    end
  end

  test "callers that die at random hit no other", %{session: session} do
    PythonxPort.exec!(session, "def work(n):\n    for i in range(n % 7 * 300): pass\n    return n")

    doomed =
      for n <- 1..20 do
        spawn(fn -> for _ <- 1..100_000, do: PythonxPort.call(session, "work", [n]) end)
      end

    survivors =
      for part <- 1..10 do
        Task.async(fn ->
          for i <- 1..100,
              n = part * 1_000 + i,
              do: assert(PythonxPort.call(session, "work", [n]) == {:ok, n})
        end)
      end

    for caller <- Enum.shuffle(doomed) do
      Process.sleep(:rand.uniform(10))
      Process.exit(caller, :kill)
    end

    Task.await_many(survivors, 60_000)
    assert PythonxPort.call(session, "work", [1]) == {:ok, 1}
    assert OSProcess.eventually(fn -> :sys.get_state(session).pending == %{} end)
  end

  test "requests that are cancelled at random each get one answer, their own", %{session: session} do
    PythonxPort.exec!(session, """
    state = {"begun": 0, "ended": 0}

    def work(n):
        state["begun"] += 1
        try:
            total = 0
            for i in range(n % 7 * 300): total += i
            return n
        finally:
            state["ended"] += 1
    """)

    answers =
      1..10
      |> Task.async_stream(&cancel_at_random(session, &1), timeout: 120_000, max_concurrency: 10)
      |> Enum.flat_map(fn {:ok, answers} -> answers end)

    assert length(answers) == 10_000

    for {n, answer} <- answers,
        do: assert(match?({:ok, ^n}, answer) or match?({:error, %Error{kind: :cancelled}}, answer))

    kinds = Enum.frequencies_by(answers, fn {_n, {kind, _}} -> kind end)
    assert kinds[:ok] > 0 and kinds[:error] > 0

    # What began has ended, and all that came to a value has begun.
    assert {:ok, %{"begun" => begun, "ended" => begun}} = PythonxPort.eval(session, "state")
    assert begun >= kinds[:ok]
    assert PythonxPort.call(session, "work", [12_345]) == {:ok, 12_345}
    assert :sys.get_state(session).pending == %{}
  end

  # 1,000 requests, 20 at a time, of which each second one is cancelled at some moment.
  defp cancel_at_random(session, part) do
    for chunk <- Enum.chunk_every(1..1_000, 20), reduce: [] do
      answers ->
        tasks = for i <- chunk, n = part * 10_000 + i, do: {n, PythonxPort.async_call(session, "work", [n])}

        for {_n, task} <- Enum.take_random(tasks, 10) do
          if :rand.uniform(3) == 1, do: Process.sleep(:rand.uniform(2) - 1)
          PythonxPort.cancel(task)
        end

        answered = for {n, task} <- tasks, do: {n, PythonxPort.await(task, 60_000)}
        refute_received _a_second_answer
        answered ++ answers
    end
  end
end
