defmodule PythonxPort.TelemetryTest do
  # Not async: once telemetry is loaded, all requests are measured.
  use PythonxPort.SessionCase, async: false

  @events for {of, events} <- [
                request: [:start, :stop, :exception],
                session: [:start, :ready, :stop, :crash],
                uv_init: [:start, :stop, :exception]
              ],
              event <- events,
              do: [:pythonx_port, of, event]

  setup do
    Code.ensure_loaded!(:telemetry)
    test = self()

    handler = fn
      [_, :request, event], measurements, metadata, _config -> send(test, {event, measurements, metadata})
      [_, of, event], measurements, metadata, _config -> send(test, {{of, event}, measurements, metadata})
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
    assert metadata == %{session: session, name: nil, operation: :eval, target: nil, caller: test, error: nil}

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
    assert_received {{:session, :stop}, _, _}
    refute_received _anything
  end

  test "the names of the session and of what is called are told, and no code", %{session: session} do
    name = :"measured_#{System.unique_integer([:positive])}"
    named = PythonxPort.start_session(name: name)
    assert_received {{:session, :start}, _, %{session: ^named, name: ^name}}
    assert_received {{:session, :ready}, _, %{session: ^named, name: ^name}}
    PythonxPort.call(name, "math.sqrt", [4])
    assert_received {:start, _, %{session: ^named, name: ^name, target: "math.sqrt"}}
    assert_received {:stop, _, %{session: ^named, name: ^name, target: "math.sqrt"}}
    {:ok, object} = PythonxPort.eval(session, "len", return: :ref)
    assert_received {:stop, _, %{target: nil, name: nil}}
    PythonxPort.call(session, object, [[]])
    assert_received {:stop, _, %{operation: :call, target: nil}}
    session |> PythonxPort.async_call("len", [[]]) |> PythonxPort.await()
    assert_received {:stop, _, %{operation: :call, target: "len"}}
  end

  test "a stream that its consumer closes stops", %{session: session} do
    assert session |> PythonxPort.stream("iter(int, 1)") |> Enum.take(3) == [0, 0, 0]
    assert_received {:start, _, %{operation: :stream}}
    assert_received {:stop, %{bytes_out: _}, %{operation: :stream, error: nil}}

    assert catch_throw(session |> PythonxPort.stream("iter(int, 1)") |> Enum.each(&throw/1)) == 0
    assert_received {:stop, _, %{operation: :stream, error: nil}}
    refute_received {:exception, _, _}

    # One that has an error of its own has it.
    assert_raise Error, fn -> session |> PythonxPort.stream("1 / 0") |> Enum.take(1) end
    assert_received {:exception, _, %{operation: :stream, error: %Error{type: "ZeroDivisionError"}}}
  end

  test "a stream whose consumer dies is an exception, also while it is queued" do
    session = PythonxPort.start_session(start: :async, init: "import time; time.sleep(0.3)")
    reader = spawn(fn -> session |> PythonxPort.stream("[]") |> Stream.run() end)
    assert_receive {:start, _, %{operation: :stream, caller: ^reader}}
    Process.exit(reader, :kill)
    assert_receive {:exception, _, %{operation: :stream, error: %Error{kind: :cancelled}}}
  end

  test "a request that finds the queue full is an exception" do
    session = PythonxPort.start_session(max_queue: 1)
    running = PythonxPort.async_exec(session, "while True: pass")
    for _ <- 1..2, do: PythonxPort.async_eval(session, "1")
    assert_receive {:exception, _, %{error: %Error{kind: :overloaded}}}
    PythonxPort.cancel(running)
  end

  describe "a session" do
    @ms System.convert_time_unit(1, :millisecond, :native)

    test "starts, is ready, and stops" do
      session = PythonxPort.start_session(init: "import time; time.sleep(0.05)")
      assert_received {{:session, :start}, %{system_time: time, monotonic_time: _}, metadata}
      assert abs(System.system_time() - time) < 60_000 * @ms
      assert metadata == %{session: session, name: nil, python: nil}
      assert_received {{:session, :ready}, ready, ^metadata}
      assert ready.duration > 50 * @ms
      assert ready.memory > 1_000_000
      PythonxPort.stop_session(session)
      assert_received {{:session, :stop}, stop, ended}
      assert ended == Map.put(metadata, :reason, :normal)
      assert stop.duration > ready.duration
      assert stop.memory > 1_000_000
      refute_received _anything
    end

    @tag :capture_log
    test "crashes", %{session: session} do
      assert {:error, error} = PythonxPort.exec(session, "import os; os._exit(3)")
      assert_receive {{:session, :crash}, measurements, metadata}
      assert %{session: ^session, name: nil, error: ^error, reason: {^error, _stacktrace}} = metadata
      assert Map.keys(measurements) == [:duration]
      refute_received {{:session, _event}, _, _}
    end

    @tag :capture_log
    test "is killed", %{session: session} do
      PythonxPort.exec(session, "x = 'y' * 20_000_000\nsum(range(10**12))", timeout: 50, grace: 10)
      assert_receive {{:session, :crash}, %{memory: memory}, %{error: %Error{kind: :crashed}}}
      assert memory > 20_000_000
    end

    @tag :capture_log
    test "that cannot be started crashes, in each of the ways to start one" do
      assert {:error, error} = PythonxPort.start_link(init: "1 / 0")
      assert_received {{:session, :start}, _, %{session: session}}
      assert_received {{:session, :crash}, %{duration: _}, %{session: ^session, error: ^error}}
      assert_raise Error, fn -> PythonxPort.start_session(python: "/no/such/python") end

      assert_received {{:session, :crash}, _,
                       %{python: "/no/such/python", error: %Error{kind: :start_failed}}}

      PythonxPort.start_session(start: :async, link: false, init: "1 / 0")
      assert_receive {{:session, :crash}, _, %{error: ^error}}
      refute_received {{:session, :ready}, _, _}
    end

    test "stops with its owner, and with its supervisor" do
      owner = Task.async(fn -> PythonxPort.start_session() end)
      session = Task.await(owner)
      assert_receive {{:session, :stop}, _, %{session: ^session, reason: :normal}}
      {:ok, supervisor} = Supervisor.start_link([{PythonxPort, start: :async}], strategy: :one_for_one)
      assert_receive {{:session, :ready}, _, _}
      Supervisor.stop(supervisor)
      assert_received {{:session, :stop}, _, %{reason: :shutdown}}
    end
  end

  describe "uv_init" do
    test "starts and fails, and tells no requirements" do
      options = [packages: ["six @ https://user:password@example.org/six"], uv_path: "/no/such/uv"]

      options =
        [python_version: "3.12", directory: Path.join(System.tmp_dir!(), "pythonx_port-none")] ++ options

      on_exit(fn -> File.rm_rf(options[:directory]) end)
      error = assert_raise Error, fn -> PythonxPort.uv_init(options) end

      assert_received {{:uv_init, :start}, %{system_time: _, monotonic_time: _},
                       %{python_version: "3.12"} = metadata}

      assert map_size(metadata) == 1
      assert_received {{:uv_init, :exception}, %{duration: duration}, failed}
      assert duration > 0
      assert failed == Map.merge(metadata, %{kind: :error, reason: error, stacktrace: []})
      refute_received _anything
    end

    test "stops, and tells the interpreter" do
      directory =
        Path.join(System.tmp_dir!(), "pythonx_port-#{System.unique_integer([:positive])}-#{System.pid()}")

      on_exit(fn -> File.rm_rf(directory) end)
      # A program that makes what uv would make.
      uv = Path.join(directory, "uv")
      File.mkdir_p!(directory)

      File.write!(uv, """
      #!/bin/sh
      mkdir -p .venv/bin && ln -sf /bin/sh .venv/bin/python3
      """)

      File.chmod!(uv, 0o755)
      python = PythonxPort.uv_init(packages: ["six"], uv_path: uv, directory: directory)
      PythonxPort.Environment.forget()
      assert_received {{:uv_init, :start}, _, %{python_version: nil}}
      assert_received {{:uv_init, :stop}, %{duration: _}, %{python: ^python, python_version: nil}}
      refute_received _anything
    end
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
    PythonxPort.session(&PythonxPort.call(&1, "len", [[]]))
    refute_received _anything
  end
end
