defmodule PythonxPort.Session.ObjectOwnerTest do
  # Which process keeps an object in Python, and when it is released.
  use PythonxPort.SessionCase, async: true

  alias PythonxPort.Object
  alias PythonxPort.Session.Objects

  setup %{session: session} do
    PythonxPort.exec!(session, """
    import weakref
    class Thing: pass
    alive = weakref.WeakSet()
    def make():
        thing = Thing()
        alive.add(thing)
        return thing
    """)

    :ok
  end

  defp kept(session), do: PythonxPort.info!(session).refs

  defp alive(session), do: PythonxPort.eval!(session, "len(alive)")

  defp become(session, count) do
    assert OSProcess.eventually(fn -> kept(session) == count end), "#{kept(session)} objects are kept"
    assert OSProcess.eventually(fn -> alive(session) == count end), "#{alive(session)} objects live"
  end

  defp make(session, options \\ []), do: PythonxPort.call!(session, "make", [], [], [return: :ref] ++ options)

  # A process that makes objects, tells them, and ends when it is told to.
  defp owner(session, count \\ 1) do
    test = self()

    pid =
      spawn(fn ->
        send(test, {self(), for(_ <- 1..count//1, do: make(session))})
        receive do: (:end -> :ok)
      end)

    assert_receive {^pid, objects}
    {pid, objects}
  end

  # A process that runs functions for the test.
  defp worker do
    spawn(fn -> work() end)
  end

  defp work do
    receive do
      {from, function} ->
        send(from, {self(), function.()})
        work()
    end
  end

  defp run(worker, function) do
    send(worker, {self(), function})
    assert_receive {^worker, result}
    result
  end

  defp finish(pid) do
    monitor = Process.monitor(pid)
    Process.exit(pid, :kill)
    assert_receive {:DOWN, ^monitor, :process, ^pid, _reason}
  end

  defp objects(session), do: :sys.get_state(session).objects

  describe "an object" do
    test "has its session", %{session: session} do
      assert %Object{session: ^session, type: "__main__.Thing"} = make(session)
      name = :"object_owner_test_#{System.unique_integer([:positive])}"
      named = PythonxPort.start_session(name: name)
      assert %Object{session: ^named} = PythonxPort.eval!(name, "object()", return: :ref)
      task = PythonxPort.async_eval(session, "make()", return: :ref)
      assert {:ok, %Object{session: ^session} = object} = PythonxPort.await(task)

      assert PythonxPort.call(session, "isinstance", [
               object,
               PythonxPort.eval!(session, "Thing", return: :ref)
             ]) ==
               {:ok, true}
    end

    test "is released when its owner ends, and those of others stay", %{session: session} do
      {first, [_, _, _]} = owner(session, 3)
      {second, [kept]} = owner(session)
      become(session, 4)
      send(first, :end)
      become(session, 1)
      assert PythonxPort.call(session, "isinstance", [kept, kept]) |> elem(0) == :error
      finish(second)
      become(session, 0)
      assert objects(session) == %Objects{}
    end

    test "that is returned by reference within a container goes with that", %{session: session} do
      worker = worker()
      run(worker, fn -> PythonxPort.eval!(session, "[make(), {'a': (make(), make())}]", return: :ref) end)
      assert {kept(session), alive(session)} == {1, 3}
      finish(worker)
      assert OSProcess.eventually(fn -> {kept(session), alive(session)} == {0, 0} end)
    end

    test "is one for each result, even if Python's is the same", %{session: session} do
      worker = worker()
      object = make(session)
      again = run(worker, fn -> PythonxPort.eval!(session, "o", bindings: [o: object], return: :ref) end)
      PythonxPort.exec!(session, "o = None")
      assert again.ref != object.ref
      assert {kept(session), alive(session)} == {2, 1}
      finish(worker)
      become(session, 1)
      assert PythonxPort.release(object) == :ok
      become(session, 0)
    end

    test "is released by a process that is not its owner", %{session: session} do
      {_owner, objects} = owner(session, 2)
      other = PythonxPort.start_session()
      theirs = PythonxPort.eval!(other, "object()", return: :ref)
      assert PythonxPort.release([theirs | objects]) == :ok
      become(session, 0)
      assert OSProcess.eventually(fn -> kept(other) == 0 end)
      assert {objects(session), objects(other)} == {%Objects{}, %Objects{}}
      assert PythonxPort.release([]) == :ok
      assert_raise ArgumentError, ~r/come from a session/, fn -> PythonxPort.release(%Object{ref: 1}) end
    end

    test "is not released before requests that were sent earlier have used it", %{session: session} do
      gate = Gate.new()
      {owner, [object]} = owner(session)
      busy = PythonxPort.async_eval(session, Gate.wait(gate))
      used = PythonxPort.async_call(session, "type", [object], [], return: :ref)
      finish(owner)
      assert OSProcess.eventually(fn -> objects(session) == %Objects{} end)
      Gate.open(gate)
      assert PythonxPort.await(busy) == {:ok, nil}
      assert {:ok, %Object{repr: "<class '__main__.Thing'>"}} = PythonxPort.await(used)
      assert OSProcess.eventually(fn -> {kept(session), alive(session)} == {1, 0} end)
    end

    test "costs a monitor for each owner, and nothing without objects", %{session: session} do
      for _ <- 1..50, do: PythonxPort.eval!(session, "1")
      assert objects(session) == %Objects{}
      {:monitors, before} = Process.info(session, :monitors)
      made = for _ <- 1..50, do: make(session)
      {:monitors, monitors} = Process.info(session, :monitors)
      assert length(monitors) == length(before) + 1
      PythonxPort.release(session, made)
      become(session, 0)
      {:monitors, monitors} = Process.info(session, :monitors)
      assert length(monitors) == length(before)
    end
  end

  describe "a result that does not reach its caller" do
    test "because its caller died is released", %{session: session} do
      for delay <- [0, 1, 2, 3, 5, 20], _ <- 1..5 do
        pid = spawn(fn -> make(session) end)
        Process.sleep(delay)
        Process.exit(pid, :kill)
      end

      become(session, 0)
      assert OSProcess.eventually(fn -> objects(session) == %Objects{} end)
    end

    test "because its caller died while it was made is released", %{session: session} do
      code = """
      try:
          import erlang, time
          erlang.send(test, 'begun')
          time.sleep(60)
      except BaseException:
          pass
      make()
      """

      test = self()
      pid = spawn(fn -> PythonxPort.eval(session, code, bindings: [test: test], return: :ref) end)
      assert_receive "begun"
      Process.exit(pid, :kill)
      become(session, 0)
    end

    test "because it came too late is released", %{session: session} do
      for n <- 1..60 do
        task = PythonxPort.async_call(session, "make", [], [], return: :ref)

        case PythonxPort.await(task, rem(n, 3)) do
          {:ok, object} -> PythonxPort.release(object)
          {:error, :timeout} -> assert {:error, %Error{kind: :cancelled}} = PythonxPort.await(task)
        end
      end

      become(session, 0)
      assert objects(session) == %Objects{}
    end

    # The session has sent it when it learns that the caller does not wait.
    test "because the caller gave up meanwhile is released", %{session: session} do
      test = self()

      caller =
        spawn(fn ->
          %{ref: request} = PythonxPort.async_call(session, "make", [], [], return: :ref)
          # The alias ends, as when an await expires at this moment.
          Process.demonitor(request, [:flush])
          receive do: (:go -> GenServer.cast(session, {:abandon, request}))
          send(test, :abandoned)
          receive do: (:end -> :ok)
        end)

      become(session, 1)
      send(caller, :go)
      assert_receive :abandoned
      become(session, 0)
      assert Process.alive?(caller)
      send(caller, :end)
    end
  end

  describe "an object that is handed over" do
    test "outlives the process that made it, and ends with the new owner", %{session: session} do
      {owner, worker} = {worker(), worker()}
      object = run(owner, fn -> make(session) end)
      assert run(owner, fn -> Object.transfer(object, worker) end) == :ok
      finish(owner)
      assert PythonxPort.call(session, "id", [object]) |> elem(0) == :ok
      assert kept(session) == 1
      finish(worker)
      become(session, 0)
      assert objects(session) == %Objects{}
    end

    test "leaves the others of its owner alone", %{session: session} do
      {owner, worker} = {worker(), worker()}
      [first, second] = run(owner, fn -> [make(session), make(session)] end)
      assert run(owner, fn -> Object.transfer(first, worker) end) == :ok
      assert run(owner, fn -> try_transfer(first, owner) end) =~ "only the owner"
      finish(owner)
      become(session, 1)
      assert {:error, %Error{kind: :undecodable}} = PythonxPort.call(session, "id", [second])
      assert run(worker, fn -> Object.transfer(first, worker) end) == :ok
      finish(worker)
      become(session, 0)
    end

    test "to a process that has ended is released", %{session: session} do
      {owner, gone} = {worker(), worker()}
      finish(gone)
      object = run(owner, fn -> make(session) end)
      assert run(owner, fn -> Object.transfer(object, gone) end) == :ok
      become(session, 0)

      assert {:error, %Error{kind: :undecodable, message: "the object was released"}} =
               run(owner, fn -> Object.transfer(object, owner) end)
    end

    test "to its session is kept until that ends, or it is released", %{session: session} do
      worker = worker()
      object = run(worker, fn -> make(session) end)
      assert run(worker, fn -> Object.transfer(object, session) end) == :ok
      finish(worker)
      assert PythonxPort.call(session, "id", [object]) |> elem(0) == :ok
      PythonxPort.release(object)
      become(session, 0)
    end

    test "at the moment when its owner dies is kept or released, as the call says", %{session: session} do
      worker = worker()

      for turn <- 1..40 do
        owner = worker()
        object = run(owner, fn -> make(session) end)
        test = self()
        send(owner, {test, fn -> send(test, {:transfer, turn, Object.transfer(object, worker)}) end})
        if rem(turn, 2) == 0, do: Process.sleep(rem(turn, 3))
        finish(owner)

        assert OSProcess.eventually(fn -> not owned_by?(session, owner) end)

        case kept_or_released(session, object) do
          :kept -> PythonxPort.release(object)
          :released -> refute_received {:transfer, ^turn, :ok}
        end
      end

      become(session, 0)
      assert objects(session) == %Objects{}
    end

    test "in a session that has ended is an error", %{session: session} do
      object = make(session)
      PythonxPort.stop_session(session)
      assert {:error, %Error{kind: :not_running}} = Object.transfer(object, self())
      assert PythonxPort.release(object) == :ok
    end

    test "by a process that does not own it, or without a session, raises", %{session: session} do
      {_owner, [object]} = owner(session)
      assert_raise ArgumentError, ~r/only the owner/, fn -> Object.transfer(object, self()) end

      assert_raise ArgumentError, ~r/does not come from a session/, fn ->
        Object.transfer(%Object{ref: 1}, self())
      end

      assert kept(session) == 1
    end
  end

  test "a function that Python calls may return what it made", %{session: session} do
    make = fn -> make(session) end
    assert PythonxPort.eval!(session, "len([f(), f()]), len(alive)", bindings: [f: make]) == {2, 2}
    become(session, 0)
  end

  test "a process on another node is an owner" do
    name = fn what ->
      :"pythonx_port_#{what}_#{System.pid()}_#{System.unique_integer([:positive])}@127.0.0.1"
    end

    {far, near} = {name.("owned"), name.("owner")}

    host =
      OtherBEAM.start_node(far, """
      session = PythonxPort.start_session(name: :far)
      IO.puts("ready")
      "count\\n" = IO.read(:line)
      IO.puts(PythonxPort.info!(session).refs)
      wait = fn wait -> if PythonxPort.info!(session).refs > 1, do: (Process.sleep(10); wait.(wait)) end
      wait.(wait)
      IO.puts(PythonxPort.info!(session).refs)
      """)

    assert OtherBEAM.await_line(host) == "ready"

    caller =
      OtherBEAM.start_node(near, """
      true = Node.connect(:"#{far}")
      session = {:far, :"#{far}"}
      objects = for _ <- 1..3, do: PythonxPort.eval!(session, "object()", return: :ref)
      pid = hd(objects).session
      ^pid = :rpc.call(:"#{far}", Process, :whereis, [:far])
      :ok = PythonxPort.Object.transfer(hd(objects), pid)
      IO.puts("made")
      """)

    assert OtherBEAM.await_line(caller) == "made"
    Port.command(host, "count\n")
    assert OtherBEAM.await_line(host) == "3"
    # The node goes, and with it the owner of two of them.
    Port.close(caller)
    assert OtherBEAM.await_line(host) == "1"
  end

  defp try_transfer(object, pid) do
    Object.transfer(object, pid)
  rescue
    error in ArgumentError -> Exception.message(error)
  end

  defp owned_by?(session, pid), do: Map.has_key?(objects(session).owners, pid)

  defp kept_or_released(session, object) do
    case PythonxPort.call(session, "id", [object]) do
      {:ok, _id} -> :kept
      {:error, %Error{kind: :undecodable}} -> :released
    end
  end
end
