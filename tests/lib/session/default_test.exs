defmodule PythonxPort.Session.DefaultTest do
  # There is one default session for all: these tests run alone.
  use ExUnit.Case, async: false

  import ExUnit.CaptureIO

  alias PythonxPort.{Error, OSProcess}
  alias PythonxPort.Session.Default

  setup do
    PythonxPort.stop_session(:default)
    on_exit(fn -> PythonxPort.stop_session(:default) end)
  end

  test "starts when it is first used, and stays" do
    assert Default.whereis() == nil
    assert PythonxPort.exec("x = 1") == {:ok, nil}
    session = Default.whereis()
    assert is_pid(session)
    assert PythonxPort.eval("x + y", bindings: [y: 1]) == {:ok, 2}
    assert PythonxPort.eval!("x") == 1
    assert PythonxPort.exec!("x = 3", timeout: 5_000) == nil
    assert "x" |> PythonxPort.async_eval() |> PythonxPort.await() == {:ok, 3}
    assert "x = y" |> PythonxPort.async_exec(bindings: [y: 4]) |> PythonxPort.await() == {:ok, nil}
    assert PythonxPort.eval(PythonxPort.Code.new("x")) == {:ok, 4}
    assert Default.whereis() == session
  end

  test "is named :default where a session is wanted" do
    assert PythonxPort.eval(:default, "1 + 1") == {:ok, 2}
    assert PythonxPort.call(:default, "abs", [-1]) == {:ok, 1}
    assert :default |> PythonxPort.async_call("abs", [-2]) |> PythonxPort.await() == {:ok, 2}
    assert PythonxPort.info!(:default).os_pid == PythonxPort.eval!("import os; os.getpid()")
    object = PythonxPort.eval!("object()", return: :ref)
    assert PythonxPort.release(:default, object) == :ok
    assert {:error, %Error{kind: :undecodable}} = PythonxPort.eval("o", bindings: [o: object])
  end

  test "is called by call/2 and its like, with a target first" do
    assert PythonxPort.call("len", [[1, 2]]) == {:ok, 2}
    assert PythonxPort.call(:len, [[1, 2]]) == {:ok, 2}
    assert PythonxPort.call("dict", [], a: 1) == {:ok, %{"a" => 1}}
    assert PythonxPort.call(:dict, [], %{"a" => 1}, timeout: 10_000) == {:ok, %{"a" => 1}}
    assert PythonxPort.call!("abs", [-1]) == 1
    assert PythonxPort.call!("len", ["é"], [], binaries: :bytes) == 2
    assert "abs" |> PythonxPort.async_call([-2]) |> PythonxPort.await() == {:ok, 2}
    assert "dict" |> PythonxPort.async_call([], a: 1) |> PythonxPort.await() == {:ok, %{"a" => 1}}
    object = PythonxPort.eval!("lambda n: n + 1", return: :ref)
    assert PythonxPort.call(object, [1]) == {:ok, 2}
    assert PythonxPort.call(:default, :abs, [-3]) == {:ok, 3}
  end

  @tag :capture_log
  test "needs the application" do
    Application.stop(:pythonx_port)

    try do
      for result <- [PythonxPort.eval("1"), PythonxPort.call("abs", [1]), PythonxPort.info(:default)] do
        assert {:error, %Error{kind: :not_running, message: message}} = result
        assert message =~ "the application :pythonx_port is not running"
      end

      assert_raise Error, ~r/is not running/, fn -> PythonxPort.start_session() end
      assert_raise Error, ~r/is not running/, fn -> PythonxPort.stream("[]") |> Enum.to_list() end
      assert PythonxPort.stop_session(:default) == :ok
    after
      Application.start(:pythonx_port)
    end
  end

  test "is started once, however many ask for it first" do
    pids =
      1..50
      |> Task.async_stream(fn _ -> PythonxPort.eval!("import os; os.getpid()") end, max_concurrency: 50)
      |> Enum.map(fn {:ok, os_pid} -> os_pid end)

    assert [_one] = Enum.uniq(pids)
  end

  test "does not end with the process that used it first" do
    pid = Task.await(Task.async(fn -> PythonxPort.eval!("import os; x = 7; os.getpid()") end))
    assert PythonxPort.eval("(x, os.getpid())") == {:ok, {7, pid}}
  end

  @tag :capture_log
  test "is started anew by the next request after a crash, each time" do
    for status <- 1..10 do
      assert {:error, %Error{kind: :crashed, exit_status: ^status}} =
               PythonxPort.exec("import os; os._exit(#{status})")

      assert PythonxPort.eval("'os' in globals()") == {:ok, false}
    end
  end

  test "is started anew after it was stopped" do
    first = PythonxPort.eval!("import os; os.getpid()")
    assert PythonxPort.stop_session(:default) == :ok
    refute OSProcess.alive?(first)
    assert PythonxPort.stop_session(:default) == :ok
    assert PythonxPort.eval!("import os; os.getpid()") != first
  end

  test "to release what is not there does not start it" do
    assert PythonxPort.release(:default, %PythonxPort.Object{ref: 1}) == :ok
    assert Default.whereis() == nil
  end

  test "prints where each caller's own output goes" do
    assert capture_io(fn -> PythonxPort.exec!("print('one')") end) == "one\n"
    assert capture_io(fn -> PythonxPort.exec!("print('two')") end) == "two\n"
  end

  test "takes its options from the configuration" do
    configure(:default_session, init: "x = 'configured'")
    assert PythonxPort.eval("x") == {:ok, "configured"}
  end

  test "that cannot be started is an error each time" do
    configure(:default_session, init: "1 / 0")
    assert {:error, %Error{type: "ZeroDivisionError"}} = PythonxPort.eval("1")
    assert {:error, %Error{type: "ZeroDivisionError"}} = PythonxPort.call(:default, "len", [[]])
    assert {:error, %Error{type: "ZeroDivisionError"}} = PythonxPort.info(:default)
    task = PythonxPort.async_eval("1")
    assert {:error, %Error{type: "ZeroDivisionError"}} = PythonxPort.await(task)
    assert_raise Error, fn -> PythonxPort.eval!("1") end

    configure(:default_session, [])
    assert PythonxPort.eval("1") == {:ok, 1}
  end

  test "and all others take the interpreter from the configuration" do
    python = PythonxPort.eval!("import sys; sys.executable")
    PythonxPort.stop_session(:default)
    configure(:python_path, "/no/such/python")
    assert {:error, %Error{kind: :start_failed, message: message}} = PythonxPort.eval("1")
    assert message =~ "/no/such/python"
    assert_raise Error, fn -> PythonxPort.start_session() end

    # What is given comes before what is configured.
    session = PythonxPort.start_session(python: python)
    assert PythonxPort.eval(session, "1") == {:ok, 1}
    configure(:python_path, python)
    assert PythonxPort.eval("1") == {:ok, 1}
  end

  test "and others refuse a configuration that is none" do
    configure(:default_session, %{init: "x = 1"})
    message = assert_raise(ArgumentError, fn -> PythonxPort.eval("1") end).message
    assert message =~ "the options of config :pythonx_port, :default_session as a keyword list"
    configure(:default_session, timeout: 1)
    assert_raise ArgumentError, ~r/unknown option :timeout of a session/, fn -> PythonxPort.eval("1") end
    configure(:default_session, [])
    configure(:python_path, ~c"/usr/bin/python3")
    assert_raise ArgumentError, ~r/a path as a string in config/, fn -> PythonxPort.start_session() end
  end

  defp configure(key, value) do
    before = Application.fetch_env(:pythonx_port, key)
    Application.put_env(:pythonx_port, key, value)

    on_exit(fn ->
      case before do
        {:ok, value} -> Application.put_env(:pythonx_port, key, value)
        :error -> Application.delete_env(:pythonx_port, key)
      end
    end)
  end
end
