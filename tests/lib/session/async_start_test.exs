defmodule PythonxPort.Session.AsyncStartTest do
  # Sessions with `start: :async`: their starter goes on, requests wait for them.
  use ExUnit.Case, async: true

  alias PythonxPort.{Error, Gate, OSProcess}

  @moduletag :capture_log

  defp unique_name, do: :"async_#{System.unique_integer([:positive])}"
  defp ready?(session), do: :sys.get_state(session).startup == nil

  setup do
    {:ok, gate: Gate.new()}
  end

  defp start(context, options \\ []) do
    init = [Gate.wait(context.gate), "log = []"]
    PythonxPort.start_session([start: :async, init: init] ++ options)
  end

  test "the session is there at once, and is ready later", context do
    session = start(context)
    refute ready?(session)
    task = PythonxPort.async_eval(session, "log")
    assert PythonxPort.await(task, 50) == {:error, :timeout}
    refute ready?(session)
    Gate.open(context.gate)
    assert PythonxPort.eval(session, "log") == {:ok, []}
    assert ready?(session)
  end

  test "requests of all kinds wait, in order", context do
    session = start(context)
    add = for n <- 1..50, do: PythonxPort.async_exec(session, "log.append(n)", bindings: [n: n])
    call = PythonxPort.async_call(session, "len", [[1, 2]])
    stream = Task.async(fn -> session |> PythonxPort.stream("iter(range(1_000))") |> Enum.sum() end)
    large = :binary.copy("x", 2_000_000)
    # Shared memory is not there yet: it goes through the pipe.
    binary = Task.async(fn -> PythonxPort.eval(session, "len(x)", bindings: [x: large]) end)
    assert OSProcess.eventually(fn -> map_size(:sys.get_state(session).ids) == 53 end)
    Gate.open(context.gate)
    for task <- add, do: assert(PythonxPort.await(task) == {:ok, nil})
    assert PythonxPort.eval(session, "log == list(range(1, 51))") == {:ok, true}
    assert PythonxPort.await(call) == {:ok, 2}
    assert Task.await(stream) == 499_500
    assert Task.await(binary) == {:ok, 2_000_000}
    assert :sys.get_state(session).pending == %{}
  end

  test "the time in the start counts for timeouts", context do
    session = start(context)
    assert {:error, %Error{kind: :timeout}} = PythonxPort.exec(session, "log.append(1)", timeout: 50)
    error = catch_error(session |> PythonxPort.stream("log", timeout: 50) |> Enum.to_list())
    assert %Error{kind: :timeout} = error
    cancelled = PythonxPort.async_exec(session, "log.append(2)")
    PythonxPort.cancel(cancelled)
    assert {:error, %Error{kind: :cancelled}} = PythonxPort.await(cancelled)
    {caller, monitor} = spawn_monitor(fn -> PythonxPort.exec(session, "log.append(3)") end)
    assert OSProcess.eventually(fn -> map_size(:sys.get_state(session).ids) == 1 end)
    Process.exit(caller, :kill)
    assert_receive {:DOWN, ^monitor, :process, ^caller, :killed}
    refute ready?(session)
    Gate.open(context.gate)
    assert PythonxPort.eval(session, "log") == {:ok, []}
    refute_received _anything
  end

  test "info answers while the init code runs", context do
    session = start(context)
    info = PythonxPort.info!(session)
    assert info.os_pid == OSProcess.of(session)
    refute ready?(session)
    Gate.open(context.gate)
    assert PythonxPort.eval(session, "log") == {:ok, []}
  end

  test "init code may call functions that use the session, before other requests", _context do
    code = "import erlang\nlog = [erlang.call('#{inspect(__MODULE__)}', 'ask', [name])]"
    name = unique_name()
    init = [PythonxPort.Code.new("name = '#{name}'"), code]
    session = PythonxPort.start_session(start: :async, name: name, init: init, allow: [__MODULE__])
    assert PythonxPort.eval(session, "log") == {:ok, ["asked"]}
  end

  # Atoms of Python are strings here.
  def ask(name), do: PythonxPort.eval!(String.to_existing_atom(name), "'asked'")

  describe "a start that fails" do
    test "ends the session with the error, which waiting requests get", context do
      Process.flag(:trap_exit, true)
      session = PythonxPort.start_session(start: :async, init: [Gate.wait(context.gate), "1 / 0"])
      tasks = for _ <- 1..3, do: PythonxPort.async_eval(session, "1")
      Gate.open(context.gate)

      for task <- tasks do
        assert {:error, %Error{kind: :exception, type: "ZeroDivisionError"}} = PythonxPort.await(task)
      end

      assert_receive {:EXIT, ^session, {%Error{type: "ZeroDivisionError"}, _stacktrace}}
      assert {:error, %Error{kind: :not_running}} = PythonxPort.eval(session, "1")
    end

    test "takes its owner along, if that does not trap exits" do
      {owner, monitor} =
        spawn_monitor(fn ->
          PythonxPort.start_session(start: :async, init: "1 / 0")
          Process.sleep(:infinity)
        end)

      assert_receive {:DOWN, ^monitor, :process, ^owner, {%Error{type: "ZeroDivisionError"}, _stacktrace}}
    end

    test "for whatever reason" do
      Process.flag(:trap_exit, true)

      for {options, kind} <- [
            {[python: "/no/such/python"], :start_failed},
            {[executable: "/no/such/program"], :start_failed},
            {[init: "import os; os._exit(3)"], :crashed},
            {[init: "while True: pass", init_timeout: 500], :timeout}
          ] do
        session = PythonxPort.start_session([start: :async] ++ options)
        assert_receive {:EXIT, ^session, {%Error{kind: ^kind}, _stacktrace}}
      end
    end

    test "is an error of each request if the owner is not linked" do
      session =
        PythonxPort.start_session(start: :async, link: false, init: ["import time; time.sleep(0.2)", "1 / 0"])

      assert {:error, %Error{type: "ZeroDivisionError"}} = PythonxPort.eval(session, "1")
    end

    test "restarts a child, also a transient one" do
      test = self()

      child =
        {PythonxPort,
         name: unique_name(), start: :async, init: "import os; os._exit(3)", log: &send(test, &1)}

      child = Supervisor.child_spec(child, restart: :transient)
      Process.flag(:trap_exit, true)
      {:ok, supervisor} = Supervisor.start_link([child], strategy: :one_for_one, max_restarts: 2)
      # Three restarts in a row are too many.
      assert_receive {:EXIT, ^supervisor, :shutdown}
    end
  end

  test "children of one supervisor start side by side", context do
    gates = for _ <- 1..2, do: Gate.new()
    names = for _ <- 1..2, do: unique_name()

    # Each waits for what the other one does while it starts.
    children =
      for {name, [mine, other]} <- Enum.zip(names, [gates, Enum.reverse(gates)]) do
        init = ["open(#{inspect(mine)}, 'w').close()", Gate.wait(other), Gate.wait(context.gate)]
        Supervisor.child_spec({PythonxPort, name: name, start: :async, init: init}, [])
      end

    {:ok, supervisor} = Supervisor.start_link(children, strategy: :one_for_one)
    assert OSProcess.eventually(fn -> Enum.all?(gates, &File.exists?/1) end)
    refute Enum.any?(names, &ready?/1)
    Gate.open(context.gate)
    for name <- names, do: assert(PythonxPort.eval(name, "1") == {:ok, 1})
    Supervisor.stop(supervisor)
  end

  describe "during the start" do
    test "a supervisor stops the session at once", context do
      name = unique_name()
      child = {PythonxPort, name: name, start: :async, init: Gate.wait(context.gate)}
      {:ok, supervisor} = Supervisor.start_link([child], strategy: :one_for_one)
      os_pid = OSProcess.of(name)
      task = PythonxPort.async_eval(name, "1")
      Supervisor.stop(supervisor)
      OSProcess.assert_gone(os_pid)
      assert {:error, %Error{kind: :shutdown}} = PythonxPort.await(task)
    end

    test "the end of the owner ends the session", context do
      test = self()

      owner =
        spawn(fn ->
          send(test, {:session, start(context)})
          Process.sleep(:infinity)
        end)

      assert_receive {:session, session}
      OSProcess.assert_ends_with_owner(session, owner)
    end

    test "stop_session waits for the start, and for the requests that are there", context do
      session = start(context)
      task = PythonxPort.async_eval(session, "log")
      stopper = Task.async(fn -> PythonxPort.stop_session(session) end)
      assert OSProcess.eventually(fn -> :sys.get_state(session).stopping end)
      assert {:error, %Error{kind: :shutdown}} = PythonxPort.eval(session, "1")
      Gate.open(context.gate)
      assert Task.await(stopper) == :ok
      assert PythonxPort.await(task) == {:ok, []}
    end

    test "stop_session kills Python when its time is over", context do
      session = start(context)
      os_pid = OSProcess.of(session)
      task = PythonxPort.async_eval(session, "log")
      assert PythonxPort.stop_session(session, 50) == :ok
      refute OSProcess.alive?(os_pid)
      assert {:error, %Error{kind: :shutdown}} = PythonxPort.await(task)
    end

    test "max_queue refuses what is too much at once", context do
      session = start(context, max_queue: 2)
      tasks = for _ <- 1..2, do: PythonxPort.async_exec(session, "log.append(1)")
      assert {:error, %Error{kind: :overloaded}} = PythonxPort.eval(session, "1")
      refute ready?(session)
      Gate.open(context.gate)
      for task <- tasks, do: assert(PythonxPort.await(task) == {:ok, nil})
      assert PythonxPort.eval(session, "log") == {:ok, [1, 1]}
    end
  end
end
