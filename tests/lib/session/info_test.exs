defmodule PythonxPort.Session.InfoTest do
  use PythonxPort.SessionCase, async: true

  test "tells what a session is", %{session: session} do
    info = PythonxPort.info!(session)
    assert info.os_pid == PythonxPort.eval!(session, "import os; os.getpid()")
    assert info.python == PythonxPort.eval!(session, "import platform; platform.python_version()")
    assert info.memory > 1_000_000
    assert info.uptime_us > 0
    assert info.max_frame == 4_294_967_295
    assert %{running: nil, running_us: 0, queued: 0, requests: 0} = info
  end

  test "counts", %{session: session} do
    before = PythonxPort.info!(session)
    PythonxPort.eval!(session, "len(x)", bindings: [x: String.duplicate("x", 1_000)])
    PythonxPort.eval!(session, "'y' * 2_000")
    later = PythonxPort.info!(session)
    assert later.requests == before.requests + 2
    assert later.bytes_in - before.bytes_in > 1_000
    assert later.uptime_us > before.uptime_us
    # What was written is counted a moment later than it is read here.
    assert OSProcess.eventually(fn -> PythonxPort.info!(session).bytes_out - before.bytes_out > 2_000 end)
  end

  test "is there while Python computes", %{session: session} do
    PythonxPort.async_exec(session, "while True: pass")
    for _ <- 1..3, do: PythonxPort.async_exec(session, "pass")
    assert OSProcess.eventually(fn -> match?(%{requests: 1, queued: 3}, PythonxPort.info!(session)) end)
    first = PythonxPort.info!(session)
    assert is_integer(first.running)
    second = PythonxPort.info!(session)
    assert second.running == first.running
    assert second.running_us > first.running_us
  end

  test "is there while a C call holds the GIL", %{session: session} do
    PythonxPort.async_exec(session, "import ctypes; ctypes.PyDLL(None).sleep(60)")
    assert OSProcess.eventually(fn -> PythonxPort.info!(session).running end)
  end

  test "of a session that is gone is an error", %{session: session} do
    PythonxPort.stop_session(session)
    assert {:error, %Error{kind: :not_running}} = PythonxPort.info(session)
    assert_raise Error, fn -> PythonxPort.info!(session) end
  end
end
