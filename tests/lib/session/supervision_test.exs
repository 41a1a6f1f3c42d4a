defmodule PythonxPort.Session.SupervisionTest do
  use ExUnit.Case, async: true

  import ExUnit.CaptureLog

  alias PythonxPort.{Error, OSProcess}

  defp unique_name, do: :"supervised_#{System.unique_integer([:positive])}"

  test "a child specification has the name as its id" do
    assert PythonxPort.child_spec(name: MyApp.Python) == %{
             id: MyApp.Python,
             start: {PythonxPort, :start_link, [[name: MyApp.Python]]}
           }

    assert %{id: PythonxPort} = PythonxPort.child_spec([])
  end

  test "a session is started by its supervisor, and ends with it" do
    name = unique_name()
    {:ok, supervisor} = Supervisor.start_link([{PythonxPort, name: name}], strategy: :one_for_one)
    assert PythonxPort.eval(name, "1") == {:ok, 1}
    os_pid = OSProcess.of(name)
    Supervisor.stop(supervisor)
    assert Process.whereis(name) == nil
    OSProcess.assert_gone(os_pid)
  end

  test "after a crash a new session runs the init code again" do
    name = unique_name()
    start_supervised!({PythonxPort, name: name, init: "loaded = 'model'\nstate = []"})
    first = Process.whereis(name)
    PythonxPort.exec!(name, "state.append(1)")

    capture_log(fn ->
      assert {:error, %Error{kind: :crashed, exit_status: 3}} =
               PythonxPort.exec(name, "import os; os._exit(3)")

      assert OSProcess.eventually(fn -> Process.whereis(name) not in [nil, first] end)
    end)

    assert PythonxPort.eval(name, "(loaded, state)") == {:ok, {"model", []}}
  end

  test "the crash is the reason that the session ends with" do
    {:ok, session} = start_detached()
    monitor = Process.monitor(session)

    log =
      capture_log(fn ->
        PythonxPort.exec(session, "import os; os.abort()")

        assert_receive {:DOWN, ^monitor, :process, ^session,
                        {%Error{kind: :crashed, signal: :sigabrt}, _stacktrace}}
      end)

    assert log =~ "the Python process was killed by SIGABRT"
    assert log =~ "Fatal Python error: Aborted"
  end

  test "a crash reaches the process that the session is linked to" do
    Process.flag(:trap_exit, true)
    {:ok, session} = PythonxPort.start_link()

    capture_log(fn ->
      PythonxPort.exec(session, "import os; os._exit(1)")
      assert_receive {:EXIT, ^session, {%Error{kind: :crashed}, _stacktrace}}
    end)
  end

  test "a stopped session comes back where it is permanent, and not where it is transient" do
    {permanent, transient} = {unique_name(), unique_name()}
    start_supervised!({PythonxPort, name: permanent})
    start_supervised!(Supervisor.child_spec({PythonxPort, name: transient}, restart: :transient))
    first = Process.whereis(permanent)
    PythonxPort.stop_session(transient)
    PythonxPort.stop_session(permanent)
    assert OSProcess.eventually(fn -> Process.whereis(permanent) not in [nil, first] end)
    assert Process.whereis(transient) == nil
  end

  @tag :capture_log
  test "a supervisor of its own, if it gives up, leaves the application's alive" do
    name = unique_name()
    session = {PythonxPort, name: name, start: :async}

    own = %{
      id: :own,
      start: {Supervisor, :start_link, [[session], [strategy: :one_for_one, max_restarts: 2]]},
      type: :supervisor,
      restart: :temporary
    }

    other = unique_name()
    {:ok, application} = Supervisor.start_link([own, {PythonxPort, name: other}], strategy: :one_for_one)
    PythonxPort.exec!(other, "x = 1")

    for n <- 1..3 do
      before = Process.whereis(name)
      assert {:error, %Error{kind: :crashed}} = PythonxPort.exec(name, "import os; os._exit(1)")
      if n < 3, do: assert(OSProcess.eventually(fn -> Process.whereis(name) not in [nil, before] end))
    end

    assert OSProcess.eventually(fn ->
             match?([{_id, _pid, _type, _modules}], Supervisor.which_children(application))
           end)

    assert {:error, %Error{kind: :not_running}} = PythonxPort.eval(name, "1")
    assert PythonxPort.eval(other, "x") == {:ok, 1}
  end

  test "a process that the session's own is linked to takes it along" do
    test = self()

    {parent, monitor} =
      spawn_monitor(fn ->
        send(test, PythonxPort.start_link())
        Process.sleep(:infinity)
      end)

    assert_receive {:ok, session}
    session_monitor = Process.monitor(session)
    os_pid = OSProcess.of(session)

    capture_log(fn ->
      Process.exit(parent, :kill)
      assert_receive {:DOWN, ^monitor, :process, ^parent, :killed}
      assert_receive {:DOWN, ^session_monitor, :process, ^session, :killed}
    end)

    OSProcess.assert_gone(os_pid)
  end

  # Not linked to the test, which a crash would end.
  defp start_detached do
    test = self()

    spawn(fn ->
      Process.flag(:trap_exit, true)
      send(test, PythonxPort.start_link())
      Process.sleep(:infinity)
    end)

    assert_receive {:ok, _session} = started
    started
  end
end
