defmodule PythonxPort.PortProgram.ChildrenTest do
  # What Python has started ends with its session, however that ends.
  use PythonxPort.SessionCase, async: true

  @moduletag :capture_log

  @child "import subprocess\nsubprocess.Popen(['sleep', '100']).pid"
  @stubborn "import subprocess\nsubprocess.Popen('trap \"\" TERM; sleep 100', shell=True).pid"

  describe "the children of a session" do
    @describetag :linux

    for {name, code} <- [{"child", @child}, {"child that ignores SIGTERM", @stubborn}] do
      @tag code: code
      test "that is stopped: a #{name}", %{session: session, code: code} do
        child = PythonxPort.eval!(session, code)
        assert OSProcess.alive?(child)
        PythonxPort.stop_session(session)
        OSProcess.assert_gone(child)
      end
    end

    test "that is killed", %{session: session} do
      child = PythonxPort.eval!(session, @child)
      OSProcess.kill(OSProcess.of(session), "KILL")
      OSProcess.assert_gone(child)
    end

    test "whose owner dies" do
      test = self()

      {owner, monitor} =
        spawn_monitor(fn ->
          session = PythonxPort.start_session()
          send(test, {:child, PythonxPort.eval!(session, @child)})
          Process.sleep(:infinity)
        end)

      assert_receive {:child, child}
      Process.exit(owner, :kill)
      assert_receive {:DOWN, ^monitor, :process, ^owner, :killed}
      OSProcess.assert_gone(child)
    end

    test "whose request does not end within its grace", %{session: session} do
      child = PythonxPort.eval!(session, @child)

      assert {:error, %Error{kind: :killed}} =
               PythonxPort.exec(session, "sum(range(10**12))", timeout: 1_000, grace: 50)

      OSProcess.assert_gone(child)
    end

    test "of a BEAM that is killed" do
      beam = start_beam()
      {beam_pid, child} = OtherBEAM.await_pids(beam)
      assert OSProcess.alive?(child)
      OSProcess.kill(beam_pid, "KILL")
      OSProcess.assert_gone(child)
    end
  end

  test "children: :keep lets them live on" do
    session = PythonxPort.start_session(children: :keep)
    child = PythonxPort.eval!(session, @child)
    PythonxPort.stop_session(session)
    Process.sleep(1_500)
    assert OSProcess.alive?(child)
    OSProcess.kill(child, "KILL")
    assert_raise ArgumentError, fn -> PythonxPort.start_session(children: :kill) end
  end

  # Another BEAM, which prints its own pid and that of the child of its session.
  defp start_beam do
    OtherBEAM.start("""
    IO.puts("\#{System.pid()} \#{PythonxPort.eval!(session, #{inspect(@child)})}")
    Process.sleep(:infinity)
    """)
  end
end
