defmodule PythonxPort.OutputTest do
  use PythonxPort.SessionCase, async: true

  import ExUnit.CaptureIO
  import ExUnit.CaptureLog

  @print "import sys; print('out'); print('err', file=sys.stderr)"

  test "goes to the caller's group leader", %{session: session} do
    assert capture_io(fn -> PythonxPort.exec!(session, @print) end) == "out\nerr\n"
  end

  test "is there before the result, each time", %{session: session} do
    for n <- 1..100 do
      assert capture_io(fn -> PythonxPort.eval!(session, "print(n)", bindings: [n: n]) end) == "#{n}\n"
    end
  end

  test "is there before the error that ends a request", %{session: session} do
    assert capture_io(fn -> {:error, _} = PythonxPort.exec(session, "print('before'); 1 / 0") end) ==
             "before\n"
  end

  test "without a line end is there as well", %{session: session} do
    assert capture_io(fn -> PythonxPort.exec!(session, "print('no end', end='')") end) == "no end"
  end

  @tag :tqdm
  test "draws a progress bar as it goes", %{session: session} do
    PythonxPort.exec!(session, "import time; from tqdm import tqdm")

    drawn =
      capture_io(fn ->
        PythonxPort.exec!(session, "for _ in tqdm(range(4), ncols=40, mininterval=0): time.sleep(0.001)")
      end)

    assert [
             "",
             "  0%|" <> _first,
             " 25%|" <> _second,
             " 50%|" <> _third,
             " 75%|" <> _fourth,
             "100%|" <> _fifth | _last
           ] = String.split(drawn, "\r")

    assert String.ends_with?(drawn, "\n")
  end

  test "of a call, and of what the value's conversion prints", %{session: session} do
    assert capture_io(fn -> PythonxPort.call!(session, "print", ["a", "b"], sep: "-") end) == "a-b\n"
  end

  test "may be any text and any bytes", %{session: session} do
    assert capture_io(fn -> PythonxPort.exec!(session, "print('größer 日本 🐍')") end) == "größer 日本 🐍\n"
    bytes = "import sys; sys.stdout.buffer.write(bytes([65, 228, 66])); sys.stdout.buffer.flush()"
    assert capture_io(fn -> PythonxPort.exec!(session, bytes) end) == "AäB"
  end

  test "of a megabyte is whole", %{session: session} do
    text = capture_io(fn -> PythonxPort.exec!(session, "for n in range(20_000): print('x' * 50)") end)
    assert text == String.duplicate(String.duplicate("x", 50) <> "\n", 20_000)
  end

  test "goes to a process", %{session: session} do
    PythonxPort.exec!(session, @print, output: self())
    assert_received {:pythonx_output, ^session, :stdout, "out\n"}
    assert_received {:pythonx_output, ^session, :stderr, "err\n"}
  end

  test "goes to a function", %{session: session} do
    test = self()
    PythonxPort.exec!(session, @print, output: fn stream, text -> send(test, {stream, text}) end)
    assert_received {:stdout, "out\n"}
    assert_received {:stderr, "err\n"}
  end

  test "goes to a device", %{session: session} do
    {:ok, device} = StringIO.open("")
    PythonxPort.exec!(session, @print, output: {:device, device})
    assert StringIO.contents(device) == {"", "out\nerr\n"}
  end

  test "goes to a file", %{session: session} do
    path =
      Path.join(
        System.tmp_dir!(),
        "pythonx_port-output-#{System.unique_integer([:positive])}-#{System.pid()}"
      )

    on_exit(fn -> File.rm(path) end)
    file = File.open!(path, [:write, :utf8])
    PythonxPort.exec!(session, "print('größer 日本')", output: {:device, file})
    File.close(file)
    assert File.read!(path) == "größer 日本\n"
  end

  test "goes to standard error", %{session: session} do
    assert capture_io(:stderr, fn -> PythonxPort.exec!(session, "print('aside')", output: :stderr) end) =~
             "aside\n"
  end

  test "goes nowhere", %{session: session} do
    assert capture_io(fn -> PythonxPort.exec!(session, @print, output: :ignore) end) == ""
  end

  test "of asynchronous requests goes to where each belongs", %{session: session} do
    {:ok, one} = StringIO.open("")
    {:ok, two} = StringIO.open("")
    first = PythonxPort.async_exec(session, "print('one')", output: {:device, one})
    second = PythonxPort.async_exec(session, "print('two')", output: {:device, two})
    PythonxPort.await!(second)
    PythonxPort.await!(first)
    assert {StringIO.contents(one), StringIO.contents(two)} == {{"", "one\n"}, {"", "two\n"}}
  end

  test "outside of any request goes to the session's own", %{session: _session} do
    session =
      PythonxPort.start_session(output: self(), init: "import atexit; atexit.register(print, 'at exit')")

    gate = Gate.new()
    options = [bindings: [wait: Gate.wait(gate)]]
    thread = "import threading; threading.Thread(target=lambda: (exec(wait), print('from a thread'))).start()"
    PythonxPort.exec!(session, thread, options)
    Gate.open(gate)
    assert_receive {:pythonx_output, ^session, :stdout, "from a thread\n"}
    PythonxPort.stop_session(session)
    assert_receive {:pythonx_output, ^session, :stdout, "at exit\n"}
  end

  test "of init code goes to the session's own" do
    test = self()
    session = PythonxPort.start_session(output: test, init: ["print('ready')", "print('steady')"])
    assert_received {:pythonx_output, ^session, :stdout, "ready\n"}
    assert_received {:pythonx_output, ^session, :stdout, "steady\n"}
  end

  test "to what is gone is dropped", %{session: session} do
    {:ok, device} = StringIO.open("")
    StringIO.close(device)
    assert PythonxPort.eval(session, "print('x'); 1", output: {:device, device}) == {:ok, 1}
    assert PythonxPort.eval(session, "print('x'); 2", output: {:device, :no_such_device}) == {:ok, 2}
    {gone, monitor} = spawn_monitor(fn -> :ok end)
    assert_receive {:DOWN, ^monitor, :process, ^gone, _reason}
    assert PythonxPort.eval(session, "print('x'); 3", output: gone) == {:ok, 3}
  end

  test "to a device that does not answer holds nothing up", %{session: session} do
    stuck = spawn_link(fn -> Process.sleep(:infinity) end)
    assert PythonxPort.eval(session, "print('x' * 100_000); 1", output: {:device, stuck}) == {:ok, 1}
    assert PythonxPort.eval(session, "2") == {:ok, 2}
  end

  test "to a function that fails is logged, and the session goes on", %{session: session} do
    log =
      capture_log(fn ->
        for fail <- [fn -> raise "oops" end, fn -> throw(:oops) end, fn -> exit(:oops) end] do
          assert PythonxPort.eval(session, "print('x'); 1", output: fn _stream, _text -> fail.() end) ==
                   {:ok, 1}
        end
      end)

    assert log =~ "a function given as :output failed"
  end

  test "to a function that uses its own session is refused, not stuck" do
    name = :"output_#{System.unique_integer([:positive])}"
    session = PythonxPort.start_session(name: name)

    for use_session <- [
          fn -> PythonxPort.eval(session, "2") end,
          fn -> PythonxPort.eval(name, "2") end,
          fn -> PythonxPort.info(session) end,
          fn -> PythonxPort.stop_session(session) end
        ] do
      log =
        capture_log(fn ->
          output = fn _stream, _text -> use_session.() end
          assert PythonxPort.eval(session, "print('x'); 1", output: output) == {:ok, 1}
        end)

      assert log =~ "cannot use the session itself"
    end
  end

  test "of child processes does not disturb the session", %{session: session} do
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'pass'], check=True).returncode"
    assert PythonxPort.eval(session, code) == {:ok, 0}
  end
end
