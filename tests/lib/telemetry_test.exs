defmodule PythonxPort.TelemetryTest do
  # Not async: once telemetry is loaded, all requests are measured.
  use PythonxPort.SessionCase, async: false

  @events for event <- [:start, :stop, :exception], do: [:pythonx_port, :request, event]

  setup do
    Code.ensure_loaded!(:telemetry)
    test = self()

    handler = fn [_, _, event], measurements, metadata, _config ->
      send(test, {event, measurements, metadata})
    end

    :telemetry.attach_many({__MODULE__, test}, @events, handler, nil)

    on_exit(fn ->
      :telemetry.detach({__MODULE__, test})
      # For the tests of other modules.
      :code.delete(:telemetry)
      :code.purge(:telemetry)
    end)
  end

  test "a request starts and stops", %{session: session} do
    test = self()
    assert PythonxPort.eval(session, "import time; time.sleep(0.02); 'value'") == {:ok, "value"}

    assert_received {:start, %{system_time: time, monotonic_time: _}, metadata}
    assert abs(System.system_time() - time) < System.convert_time_unit(60, :second, :native)
    assert metadata == %{session: session, operation: :eval, caller: test, error: nil}

    assert_received {:stop, measurements, ^metadata}
    assert measurements.duration >= measurements.run_time
    assert measurements.run_time >= System.convert_time_unit(20, :millisecond, :native)
    assert measurements.queue_time >= 0
    assert measurements.bytes_in > 40
    assert measurements.bytes_out > 10
    refute_received _anything
  end

  test "the operation is told", %{session: session} do
    PythonxPort.exec(session, "x = 1")
    assert_received {:stop, _, %{operation: :exec}}
    PythonxPort.call(session, "len", [[]])
    assert_received {:stop, _, %{operation: :call}}
    session |> PythonxPort.stream("range(100_000)") |> Stream.run()
    assert_received {:stop, %{bytes_out: bytes}, %{operation: :stream}}
    assert bytes > 200_000
    session |> PythonxPort.async_eval("1") |> PythonxPort.await()
    assert_received {:stop, _, %{operation: :eval}}
  end

  test "what is no work is not told", %{session: session} do
    PythonxPort.info(session)
    PythonxPort.stop_session(session)
    refute_received _anything
  end

  test "the time that a request waits is told from that which it runs", %{session: session} do
    gate = Gate.new()
    first = PythonxPort.async_exec(session, Gate.wait(gate))
    second = PythonxPort.async_eval(session, "1")
    assert OSProcess.eventually(fn -> match?(%{running: 1, queued: 1}, PythonxPort.info!(session)) end)
    Process.sleep(30)
    Gate.open(gate)
    PythonxPort.await(first)
    PythonxPort.await(second)
    assert_received {:stop, %{run_time: run, queue_time: _}, %{operation: :exec}}
    assert_received {:stop, %{run_time: _, queue_time: queue}, %{operation: :eval}}
    twenty = System.convert_time_unit(20, :millisecond, :native)
    assert run >= twenty and queue >= twenty
  end

  test "an error is an exception", %{session: session} do
    assert {:error, error} = PythonxPort.eval(session, "1 / 0")
    assert_received {:start, _, _}
    assert_received {:exception, %{duration: _, run_time: _}, metadata}
    assert %{error: ^error, kind: :error, reason: ^error, stacktrace: []} = metadata
    refute_received _anything
  end

  test "a timeout, a cancellation and a dead caller are exceptions", %{session: session} do
    PythonxPort.eval(session, "while True: pass", timeout: 10)
    assert_receive {:exception, _, %{error: %Error{kind: :timeout}}}
    task = PythonxPort.async_eval(session, "while True: pass")
    PythonxPort.cancel(task)
    assert_receive {:exception, _, %{error: %Error{kind: :cancelled}}}
    caller = spawn(fn -> PythonxPort.eval(session, "while True: pass") end)
    assert_receive {:start, _, %{caller: ^caller}}
    Process.exit(caller, :kill)
    assert_receive {:exception, _, %{caller: ^caller, error: %Error{kind: :cancelled}}}
  end

  @tag :capture_log
  test "a crash is an exception for all that is under way", %{session: session} do
    waiting = for _ <- 1..3, do: PythonxPort.async_eval(session, "import time; time.sleep(60)")
    OSProcess.kill(OSProcess.of(session), "KILL")
    for task <- waiting, do: assert({:error, %Error{kind: :crashed}} = PythonxPort.await(task))
    for _ <- 1..3, do: assert_receive({:exception, _, %{error: %Error{kind: :crashed, signal: :sigkill}}})
  end

  test "bytes in shared memory are counted", %{session: session} do
    big = :binary.copy("x", 3_000_000)
    assert PythonxPort.eval(session, "big", bindings: [big: big]) == {:ok, big}
    assert_received {:stop, %{bytes_in: bytes_in, bytes_out: bytes_out}, _}
    assert bytes_in in 3_000_000..3_001_000
    assert bytes_out in 3_000_000..3_001_000
  end

  test "without telemetry nothing is measured", %{session: session} do
    :code.delete(:telemetry)
    :code.purge(:telemetry)
    refute PythonxPort.Telemetry.enabled?()
    assert PythonxPort.eval(session, "1") == {:ok, 1}
    refute_received _anything
  end
end
