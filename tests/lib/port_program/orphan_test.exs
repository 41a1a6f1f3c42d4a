defmodule PythonxPort.PortProgram.OrphanTest do
  # No Python process outlives the one that drives it, whatever it does, and however that one ended.
  use PythonxPort.SessionCase, async: true

  @busy [
    {"an endless loop", "while True: pass"},
    {"a loop that catches everything",
     "while True:\n    try:\n        while True: pass\n    except BaseException: pass"},
    {"a sleep", "import time; time.sleep(60)"},
    {"a C call that holds the GIL", "import ctypes; ctypes.PyDLL(None).sleep(60)"},
    {"a thread that stays",
     "import threading, time; threading.Thread(target=time.sleep, args=(60,)).start()"},
    {"endless output", "while True: print('x' * 1000)"}
  ]

  for {name, code} <- @busy do
    @tag code: code
    test "a session that is killed, in #{name}", %{session: session, code: code} do
      os_pid = OSProcess.of(session)
      PythonxPort.async_exec(session, code, output: :ignore)
      await_begun(session)
      Process.exit(session, :kill)
      OSProcess.assert_gone(os_pid)
    end
  end

  test "a session that is killed while it starts" do
    {starter, monitor} = spawn_monitor(fn -> PythonxPort.start_link(init: "while True: pass") end)
    assert OSProcess.eventually(fn -> os_pid_of_link(starter) end)
    os_pid = os_pid_of_link(starter)
    Process.exit(starter, :kill)
    assert_receive {:DOWN, ^monitor, :process, ^starter, :killed}
    OSProcess.assert_gone(os_pid)
  end

  test "a session that is killed while it stops, in an atexit function without end", %{session: session} do
    PythonxPort.exec!(session, "import atexit\ndef last():\n    while True: pass\natexit.register(last)")
    os_pid = OSProcess.of(session)
    stopper = Task.async(fn -> PythonxPort.stop_session(session, :infinity) end)
    # The reply to the stop request has come: what runs now is the end of Python.
    assert OSProcess.eventually(fn ->
             match?(%{stopping: true, pending: none} when none == %{}, :sys.get_state(session))
           end)

    Process.exit(session, :kill)
    assert Task.await(stopper) == :ok
    OSProcess.assert_gone(os_pid)
  end

  test "a session that is killed while Python itself starts" do
    directory =
      Path.join(System.tmp_dir!(), "pythonx_port-site-#{System.pid()}-#{System.unique_integer([:positive])}")

    File.mkdir_p!(directory)
    File.write!(Path.join(directory, "sitecustomize.py"), "while True: pass")
    on_exit(fn -> File.rm_rf(directory) end)
    {starter, monitor} = spawn_monitor(fn -> PythonxPort.start_link(env: [{"PYTHONPATH", directory}]) end)
    assert OSProcess.eventually(fn -> os_pid_of_link(starter) end)
    os_pid = os_pid_of_link(starter)
    Process.exit(starter, :kill)
    assert_receive {:DOWN, ^monitor, :process, ^starter, :killed}
    OSProcess.assert_gone(os_pid)
  end

  for {name, code} <- [Enum.at(@busy, 0), Enum.at(@busy, 3)] do
    @tag code: code
    test "a BEAM that is killed, in #{name}", %{code: code} do
      beam = start_beam(code)
      {beam_pid, python_pid} = OtherBEAM.await_pids(beam)
      assert OSProcess.alive?(python_pid)
      OSProcess.kill(beam_pid, "KILL")
      OSProcess.assert_gone(python_pid)
    end
  end

  test "a BEAM that ends by itself" do
    beam = start_beam("pass", "System.halt(0)")
    {_beam_pid, python_pid} = OtherBEAM.await_pids(beam)
    assert_receive {^beam, {:exit_status, 0}}
    OSProcess.assert_gone(python_pid)
  end

  defp await_begun(session) do
    assert OSProcess.eventually(fn -> PythonxPort.info!(session).requests == 1 end)
  end

  # The port of the process that is linked to the starter.
  defp os_pid_of_link(starter) do
    with {:links, links} <- Process.info(starter, :links),
         [session] <- Enum.filter(links, &is_pid/1),
         {:links, links} <- Process.info(session, :links),
         [port] <- Enum.filter(links, &is_port/1),
         {:os_pid, os_pid} <- Port.info(port, :os_pid) do
      os_pid
    else
      _not_yet -> nil
    end
  end

  # Another BEAM, whose session runs the code; it prints its own and the Python process's pid.
  defp start_beam(code, finally \\ "Process.sleep(:infinity)") do
    OtherBEAM.start("""
    PythonxPort.async_exec(session, #{inspect(code)})
    begun = fn begun -> PythonxPort.info!(session).requests == 1 || begun.(begun) end
    begun.(begun)
    IO.puts("\#{System.pid()} \#{PythonxPort.info!(session).os_pid}")
    #{finally}
    """)
  end
end
