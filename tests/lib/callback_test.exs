defmodule PythonxPort.CallbackTest do
  use ExUnit.Case, async: true

  import ExUnit.CaptureIO
  import ExUnit.CaptureLog

  alias PythonxPort.{Error, Gate, OSProcess}

  defmodule Functions do
    def add(a, b), do: a + b
    def raise_error, do: raise(ArgumentError, "not good")
    def throw_value, do: throw({:a, "value"})
    def exit_with(reason), do: exit(reason)
    def kill_itself, do: Process.exit(self(), :kill)
    def crash_a_task, do: Task.await(Task.async(fn -> raise "in a task" end))
    def leave_normally, do: exit(:normal)
    def improper, do: [1 | 2]
    def about_itself, do: {self(), Process.get(:"$callers"), Process.group_leader(), Logger.metadata()}
    def say(text), do: IO.puts(text)

    def sleep(test) do
      send(test, {:sleeps, self()})
      Process.sleep(:infinity)
    end
  end

  defmodule Others do
    def answer, do: 42
  end

  setup context do
    {:ok,
     session: PythonxPort.start_session(allow: Map.get(context, :allow, [Functions]), init: "import erlang")}
  end

  # Calls a function of the module above by its name.
  defp call(session, function, args \\ [], options \\ []) do
    code = "erlang.call('PythonxPort.CallbackTest.Functions', function, args)"
    PythonxPort.eval(session, code, [bindings: [function: function, args: args]] ++ options)
  end

  describe "a function" do
    test "that is passed in can be called", %{session: session} do
      assert PythonxPort.eval(session, "f(20, 22)", bindings: [f: &+/2]) == {:ok, 42}

      assert PythonxPort.eval(session, "f()", bindings: [f: fn -> [1, {2, %{"a" => nil}}] end]) ==
               {:ok, [1, {2, %{"a" => nil}}]}

      assert PythonxPort.call(session, "map", [&(&1 + 1), [1, 2]], [], return: :ref) |> elem(0) == :ok

      assert PythonxPort.eval(session, "sorted(words, key=f)",
               bindings: [f: &String.length/1, words: ["ccc", "a", "bb"]]
             ) == {:ok, ["a", "bb", "ccc"]}

      external = &Others.answer/0
      assert PythonxPort.eval(session, "f()", bindings: [f: external]) == {:ok, 42}
    end

    test "can be called by its name", %{session: session} do
      assert call(session, "add", [1, 2]) == {:ok, 3}
      code = "erlang.call(module, 'add', [1, 2])"

      for module <- [
            Functions,
            "PythonxPort.CallbackTest.Functions",
            "Elixir.PythonxPort.CallbackTest.Functions"
          ] do
        assert PythonxPort.eval(session, code, bindings: [module: module]) == {:ok, 3}
      end
    end

    test "gets arguments, and gives results, of any size", %{session: session} do
      big = :crypto.strong_rand_bytes(5_000_000)

      options = [
        bindings: [f: fn data -> PythonxPort.Bytes.new(data <> "!") end, data: big],
        binaries: :bytes
      ]

      assert PythonxPort.eval(session, "f(data)", options) == {:ok, big <> "!"}

      assert PythonxPort.eval(session, "len(f(100_000))", bindings: [f: &Enum.to_list(1..&1)]) ==
               {:ok, 100_000}
    end

    test "is called in order, many times", %{session: session} do
      code = "[f(n) for n in range(2_000)]"
      assert PythonxPort.eval(session, code, bindings: [f: &(&1 * 2)]) == {:ok, for(n <- 0..1_999, do: n * 2)}
    end

    test "does not hold up the session", %{session: session} do
      task = PythonxPort.async_eval(session, "f()", bindings: [f: fn -> receive do: (:never -> :ok) end])
      assert OSProcess.eventually(fn -> PythonxPort.info!(session).calls == 1 end)
      PythonxPort.cancel(task)
      assert {:error, %Error{kind: :cancelled}} = PythonxPort.await(task)
    end

    test "can be awaited", %{session: session} do
      code = """
      import asyncio
      async def both():
          return await asyncio.gather(erlang.call_async(f, [1]), erlang.call_async(f, [2]))
      await both()
      """

      test = self()

      # Neither ends before the other has begun.
      meet = fn n ->
        send(test, {:here, n, self()})
        receive do: (:go -> n * 10)
      end

      task = PythonxPort.async_eval(session, code, bindings: [f: meet])
      assert_receive {:here, 1, one}
      assert_receive {:here, 2, two}
      for pid <- [two, one], do: send(pid, :go)
      assert PythonxPort.await(task) == {:ok, [10, 20]}
    end

    test "can be called by threads", %{session: session} do
      code = """
      from concurrent.futures import ThreadPoolExecutor
      with ThreadPoolExecutor(8) as pool: results = list(pool.map(f, range(200)))
      results
      """

      assert PythonxPort.eval(session, code, bindings: [f: &(&1 + 1)]) == {:ok, Enum.to_list(1..200)}
    end

    test "can be called by init code" do
      test = self()
      name = :"invoke_#{System.unique_integer([:positive])}"
      Process.register(self(), name)

      init =
        "import erlang\nx = erlang.call('PythonxPort.CallbackTest.Others', 'answer', [])\nerlang.send('#{name}', x)"

      session = PythonxPort.start_session(init: init, allow: [Others, {:send, name}])
      assert_received 42
      assert PythonxPort.eval(session, "x") == {:ok, 42}
      failing = "import erlang\nerlang.call('PythonxPort.CallbackTest.Others', 'answer', [])"
      error = assert_raise Error, fn -> PythonxPort.start_session(init: failing) end
      assert error.message =~ "allow"
      assert test == self()
    end
  end

  describe "what a function does" do
    test "is an error in Python where it raises, throws or exits", %{session: session} do
      code = """
      try:
          erlang.call('PythonxPort.CallbackTest.Functions', function, args)
      except erlang.Error as error:
          seen = (str(error.kind), error.type, error.message, error.stacktrace)
      seen
      """

      seen = fn function, args ->
        PythonxPort.eval!(session, code, bindings: [function: function, args: args])
      end

      assert {"error", "ArgumentError", "not good", stacktrace} = seen.("raise_error", [])
      assert stacktrace =~ "** (ArgumentError) not good"
      assert stacktrace =~ "callback_test.exs"
      refute stacktrace =~ "lib/pythonx_port"
      assert {"throw", nil, ~s({:a, "value"}), _} = seen.("throw_value", [])
      assert {"exit", nil, "shutdown", _} = seen.("exit_with", [:shutdown])
      assert {"exit", nil, "normal", _} = seen.("leave_normally", [])
      assert {"error", "ArithmeticError", _, _} = seen.("add", [1, "a"])
      assert {"error", "UndefinedFunctionError", message, _} = seen.("add", [1])
      assert message =~ "Functions.add/1 is undefined"
      assert {"error", "UndefinedFunctionError", _, _} = seen.("undefined_one", [1])
      assert {"exit", nil, killed, nil} = seen.("kill_itself", [])
      assert killed =~ "killed"

      capture_log(fn ->
        assert {"exit", nil, crashed, _} = seen.("crash_a_task", [])
        assert crashed =~ "in a task"
      end)
    end

    test "is the request's error where Python does not catch it", %{session: session} do
      assert {:error, %Error{kind: :exception, type: type, message: message}} = call(session, "raise_error")
      assert type =~ "erlang.Error"
      assert message =~ "not good"
    end

    test "that has no object is an error, too", %{session: session} do
      assert {:error, %Error{}} = call(session, "improper")
      assert {:error, %Error{}} = PythonxPort.eval(session, "f()", bindings: [f: fn -> <<255>> end])

      assert {:error, %Error{message: message}} =
               PythonxPort.eval(session, "f(1)", bindings: [f: fn -> :ok end])

      assert message =~ "arity" or message =~ "arguments"
      assert call(session, "add", [1, 2]) == {:ok, 3}
    end

    test "is what a process of the caller's would do", %{session: session} do
      Logger.metadata(request_id: "r1")
      leader = Process.group_leader()
      test = self()
      assert {:ok, {pid, [^test], ^leader, [request_id: "r1"]}} = call(session, "about_itself")
      assert pid != session
      caller = Task.async(fn -> call(session, "about_itself") end)
      assert {:ok, {_pid, callers, _leader, _metadata}} = Task.await(caller)
      assert callers == [caller.pid, test]
      assert capture_io(fn -> call(session, "say", ["hello"]) end) == "hello\n"
    end
  end

  describe "allow" do
    @describetag allow: []

    test "is nothing by name, by default", %{session: session} do
      assert {:error, %Error{message: message}} = call(session, "add", [1, 2])
      assert message =~ "allow: [{PythonxPort.CallbackTest.Functions, :add, 2}]"

      assert {:error, %Error{message: message}} =
               PythonxPort.eval(session, "erlang.call('erlang', 'halt', [])")

      assert message =~ "allow: [{:erlang, :halt, 0}]"
    end

    test "tells modules, functions and arities apart" do
      add = fn allow ->
        PythonxPort.session([allow: allow, init: "import erlang"], &call(&1, "add", [1, 2]))
      end

      for allow <- [
            [Functions],
            [{Functions, :add}],
            [{Functions, :add, 2}],
            [Others, {Functions, :add}],
            :all,
            [:all]
          ],
          do: assert(add.(allow) == {:ok, 3})

      for allow <- [[Others], [{Functions, :say}], [{Functions, :add, 1}], [{:send, Functions}], []],
          do: assert({:error, %Error{}} = add.(allow))
    end

    test "that is wrong is refused" do
      for allow <- [
            nil,
            true,
            "all",
            Functions,
            [nil],
            ["Enum"],
            [{Functions, "add"}],
            [{Functions, :add, -1}],
            [{:send, "x"}]
          ],
          do: assert_raise(ArgumentError, fn -> PythonxPort.start_session(allow: allow) end)
    end

    test "makes no atoms of what Python says" do
      session = PythonxPort.start_session(allow: :all, init: "import erlang")

      for n <- 1..20, name = "no_such_name_#{n}_#{System.unique_integer([:positive])}" do
        assert {:error, %Error{message: message}} =
                 PythonxPort.eval(session, "erlang.call(n, n, [])", bindings: [n: name])

        assert message =~ name
        capture_log(fn -> PythonxPort.exec!(session, "erlang.send(n, 1)", bindings: [n: name]) end)
        assert_raise ArgumentError, fn -> String.to_existing_atom(name) end
      end
    end
  end

  describe "send" do
    test "reaches a pid, in order, before the result", %{session: session} do
      PythonxPort.exec!(session, "for n in range(1_000): erlang.send(pid, ('n', n))", bindings: [pid: self()])
      for n <- 0..999, do: assert_received({"n", ^n})
    end

    test "to a pid that is gone is lost", %{session: session} do
      {gone, monitor} = spawn_monitor(fn -> :ok end)
      assert_receive {:DOWN, ^monitor, :process, ^gone, _reason}
      assert PythonxPort.exec(session, "erlang.send(pid, 1)", bindings: [pid: gone]) == {:ok, nil}
    end

    test "to a name needs to be allowed" do
      name = :"send_#{System.unique_integer([:positive])}"
      Process.register(self(), name)

      PythonxPort.session([allow: [{:send, name}]], fn session ->
        PythonxPort.exec!(session, "import erlang; erlang.send(name, 1)", bindings: [name: name])
        PythonxPort.exec!(session, "erlang.send(str(name), 2)", bindings: [name: name])
        assert_received 1
        assert_received 2
      end)

      PythonxPort.session([], fn session ->
        log =
          capture_log(fn ->
            PythonxPort.exec!(session, "import erlang; erlang.send(name, 1)", bindings: [name: name])
          end)

        assert log =~ "allow: [{:send, #{inspect(name)}}]"
        refute_received 1
      end)
    end

    test "to a name that nobody has is logged" do
      PythonxPort.session([allow: :all], fn session ->
        log =
          capture_log(fn ->
            PythonxPort.exec!(session, "import erlang; erlang.send('nobody', 1)", bindings: [x: :nobody])
          end)

        assert log =~ "no process has that name"
      end)
    end
  end

  describe "a function's process" do
    test "dies with the request that was cancelled", %{session: session} do
      task = PythonxPort.async_eval(session, "f(test)", bindings: [f: &Functions.sleep/1, test: self()])
      assert_receive {:sleeps, pid}
      monitor = Process.monitor(pid)
      PythonxPort.cancel(task)
      assert_receive {:DOWN, ^monitor, :process, ^pid, :killed}
      assert {:error, %Error{kind: :cancelled}} = PythonxPort.await(task)
    end

    test "dies with the request whose time is over", %{session: session} do
      test = self()
      assert {:error, %Error{kind: :timeout}} = call(session, "sleep", [test], timeout: 50)
      assert_received {:sleeps, pid}
      assert OSProcess.eventually(fn -> not Process.alive?(pid) end)
    end

    test "dies with the session, however that ends", %{session: _session} do
      for end_session <- [
            fn session -> PythonxPort.stop_session(session, 50) end,
            fn session -> Process.exit(session, :kill) end,
            fn session ->
              capture_log(fn ->
                OSProcess.kill(OSProcess.of(session), "KILL")
                monitored_end(session)
              end)
            end
          ] do
        test = self()

        {owner, _monitor} =
          spawn_monitor(fn ->
            session = PythonxPort.start_session()
            send(test, {:session, session})
            PythonxPort.eval(session, "f(test)", bindings: [f: &Functions.sleep/1, test: test])
          end)

        assert_receive {:session, session}
        assert_receive {:sleeps, pid}
        monitor = Process.monitor(pid)
        end_session.(session)
        assert_receive {:DOWN, ^monitor, :process, ^pid, _reason}
        Process.exit(owner, :kill)
      end
    end

    defp monitored_end(session) do
      monitor = Process.monitor(session)
      assert_receive {:DOWN, ^monitor, :process, ^session, _reason}
    end
  end

  describe "the same session" do
    test "can be used by the function that Python called", %{session: session} do
      f = fn n -> PythonxPort.eval!(session, "n + 1", bindings: [n: n]) end
      assert PythonxPort.eval(session, "f(1)", bindings: [f: f], timeout: 10_000) == {:ok, 2}
    end

    test "can be used by a task, and a task of a task, of it", %{session: session} do
      f = fn ->
        Task.await(
          Task.async(fn -> Task.await(Task.async(fn -> PythonxPort.eval!(session, "40 + 2") end)) end)
        )
      end

      assert PythonxPort.eval(session, "f()", bindings: [f: f], timeout: 10_000) == {:ok, 42}

      many = fn ->
        1..20 |> Task.async_stream(&PythonxPort.call!(session, "abs", [&1])) |> Enum.map(&elem(&1, 1))
      end

      assert PythonxPort.eval(session, "f()", bindings: [f: many], timeout: 10_000) ==
               {:ok, Enum.to_list(1..20)}
    end

    test "can be used to and fro, some way down", %{session: session} do
      down = fn
        _down, 0 -> 0
        down, n -> 1 + PythonxPort.eval!(session, "down(down, n)", bindings: [down: down, n: n - 1])
      end

      code = "down(down, 20)"
      assert PythonxPort.eval(session, code, bindings: [down: down], timeout: 30_000) == {:ok, 20}
    end

    test "can be used for a stream", %{session: session} do
      f = fn n -> session |> PythonxPort.stream("range(n)", bindings: [n: n]) |> Enum.sum() end
      assert PythonxPort.eval(session, "f(5)", bindings: [f: f], timeout: 10_000) == {:ok, 10}
    end

    test "can be used as the items of a stream are made", %{session: session} do
      g = fn n -> PythonxPort.eval!(session, "n * 2", bindings: [n: n]) end
      stream = PythonxPort.stream(session, "(g(i) for i in range(5))", bindings: [g: g], timeout: 10_000)
      assert Enum.to_list(stream) == [0, 2, 4, 6, 8]
    end

    test "can be used from what a Python thread called", %{session: session} do
      code = """
      import threading
      results = []
      thread = threading.Thread(target=lambda: results.append(f()))
      thread.start()
      thread.join()
      results
      """

      f = fn -> PythonxPort.eval!(session, "6 * 7") end
      assert PythonxPort.eval(session, code, bindings: [f: f], timeout: 10_000) == {:ok, [42]}
    end

    test "can be used by way of another session", %{session: session} do
      other = PythonxPort.start_session()
      back = fn -> PythonxPort.eval!(session, "'back'") end
      f = fn -> PythonxPort.eval!(other, "back()", bindings: [back: back]) end
      assert PythonxPort.eval(session, "f()", bindings: [f: f], timeout: 10_000) == {:ok, "back"}
    end

    test "can be used while it stops, so that the request can end", %{session: session} do
      gate = Gate.new()

      f = fn ->
        OSProcess.eventually(fn -> File.exists?(gate) end)
        PythonxPort.eval!(session, "'in time'")
      end

      task = PythonxPort.async_eval(session, "f()", bindings: [f: f])
      assert OSProcess.eventually(fn -> PythonxPort.info!(session).calls == 1 end)
      stopper = Task.async(fn -> PythonxPort.stop_session(session, 10_000) end)
      assert OSProcess.eventually(fn -> :sys.get_state(session).stopping end)
      Gate.open(gate)
      assert PythonxPort.await(task) == {:ok, "in time"}
      assert Task.await(stopper) == :ok
    end

    test "can be used by a server on behalf of the function, soon or after a while", %{session: session} do
      {:ok, server} = Agent.start_link(fn -> nil end)

      # That Python waits for it is not known: Python waits for half a second before it takes what is queued.
      f = fn -> Agent.get(server, fn _ -> PythonxPort.eval(session, "1") end) == {:ok, 1} end
      assert PythonxPort.eval(session, "f()", bindings: [f: f], timeout: 10_000) == {:ok, true}

      # A server that says for whom it works is known.
      work = fn pid ->
        Process.put(:"$callers", [pid])
        PythonxPort.eval(session, "1")
      end

      f = fn ->
        pid = self()
        Agent.get(server, fn _ -> work.(pid) end) == {:ok, 1}
      end

      assert PythonxPort.eval(session, "f()", bindings: [f: f], timeout: 10_000) == {:ok, true}
    end

    test "and an error in there is one out here", %{session: session} do
      f = fn -> PythonxPort.eval!(session, "1 / 0") end

      assert {:error, %Error{message: message}} =
               PythonxPort.eval(session, "f()", bindings: [f: f], timeout: 10_000)

      assert message =~ "ZeroDivisionError"
    end

    test "is used by many requests at once, each with its own way there and back", %{session: session} do
      f = fn n -> PythonxPort.eval!(session, "n + 1", bindings: [n: n]) end

      1..50
      |> Task.async_stream(fn n -> assert PythonxPort.call(session, "map_one", [f, n]) == {:ok, n + 1} end,
        max_concurrency: 50,
        timeout: 60_000
      )
      |> then(fn requests ->
        PythonxPort.exec!(session, "def map_one(f, n): return f(n)")
        Enum.each(requests, &assert({:ok, _} = &1))
      end)
    end
  end
end
