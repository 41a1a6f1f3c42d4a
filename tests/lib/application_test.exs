defmodule PythonxPort.ApplicationTest do
  # What the functions do while the application is not started. It is one for all: these tests run alone.
  use ExUnit.Case, async: false

  alias PythonxPort.Error

  setup do
    ExUnit.CaptureLog.capture_log(fn -> :ok = Application.stop(:pythonx_port) end)
    on_exit(fn -> {:ok, _started} = Application.ensure_all_started(:pythonx_port) end)
  end

  defp assert_not_running({:error, %Error{kind: :not_running, message: message}}) do
    assert message =~ "the application :pythonx_port is not running"
    assert message =~ "Application.ensure_all_started(:pythonx_port)"
  end

  defp raised(function), do: {:error, assert_raise(Error, function)}

  test "functions of the default session return an error" do
    assert_not_running(PythonxPort.eval("1"))
    assert_not_running(PythonxPort.exec("1"))
    assert_not_running(PythonxPort.assign(x: 1))
    assert_not_running(PythonxPort.call(:default, "len", [[]]))
    assert_not_running(PythonxPort.info(:default))
    assert_not_running("1" |> PythonxPort.async_eval() |> PythonxPort.await())
    assert_not_running(raised(fn -> PythonxPort.eval!("1") end))
    assert_not_running(raised(fn -> "[1]" |> PythonxPort.stream() |> Enum.to_list() end))
    assert PythonxPort.cancel(PythonxPort.async_exec("1")) == :ok
    assert PythonxPort.release(:default, []) == :ok
    assert PythonxPort.stop_session(:default) == :ok
  end

  test "so do those of a session by its name" do
    assert_not_running(PythonxPort.eval(:no_such_session, "1"))
    assert_not_running(PythonxPort.info({:global, :no_such_session}))
    assert PythonxPort.stop_session(:no_such_session) == :ok
  end

  test "start_session and session/2 raise it" do
    assert_not_running(raised(fn -> PythonxPort.start_session() end))
    assert_not_running(raised(fn -> PythonxPort.start_session(start: :async) end))
    assert_not_running(raised(fn -> PythonxPort.session(fn _session -> flunk("it ran") end) end))
    refute_received _anything
  end

  test "a session of one's own supervisor runs" do
    {:ok, session} = PythonxPort.start_link()
    assert PythonxPort.eval(session, "1 + 1") == {:ok, 2}
    assert PythonxPort.stop_session(session) == :ok
  end

  test "it can be started, as the message says" do
    assert_not_running(PythonxPort.eval("1"))
    assert {:ok, [:pythonx_port]} = Application.ensure_all_started(:pythonx_port)
    assert PythonxPort.eval("1") == {:ok, 1}
  end
end
