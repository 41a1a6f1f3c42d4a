defmodule PythonxPort.Client.AsyncTest do
  use PythonxPort.SessionCase, async: true

  setup do
    {:ok, gate: Gate.new()}
  end

  # A request that comes to "done" when the gate is open.
  defp wait_for(session, gate), do: PythonxPort.async_eval(session, Gate.wait(gate) <> "'done'")

  test "requests return at once, and their results can be awaited in any order", %{
    session: session,
    gate: gate
  } do
    first = wait_for(session, gate)
    second = PythonxPort.async_exec(session, "x = 2")
    third = PythonxPort.async_call(session, "divmod", [7, 2])
    fourth = PythonxPort.async_eval(session, "x")
    Gate.open(gate)
    assert PythonxPort.await(fourth) == {:ok, 2}
    assert PythonxPort.await(third) == {:ok, {3, 1}}
    assert PythonxPort.await(second) == {:ok, nil}
    assert PythonxPort.await(first) == {:ok, "done"}
  end

  test "an expired await ends the request", %{session: session, gate: gate} do
    task = wait_for(session, gate)
    assert PythonxPort.await(task, 10) == {:error, :timeout}
    assert {:error, %Error{kind: :cancelled}} = PythonxPort.await(task, :infinity)
    assert PythonxPort.eval(session, "1") == {:ok, 1}
  end

  test "an expired await! raises, and ends the request", %{session: session, gate: gate} do
    task = wait_for(session, gate)
    assert %Error{kind: :timeout} = assert_raise(Error, fn -> PythonxPort.await!(task, 1) end)
    assert %Error{kind: :cancelled} = assert_raise(Error, fn -> PythonxPort.await!(task) end)
  end

  test "a result is given out once", %{session: session} do
    task = PythonxPort.async_eval(session, "1")
    assert PythonxPort.await(task) == {:ok, 1}
    assert {:error, %Error{kind: :cancelled}} = PythonxPort.await(task)
  end

  test "errors are results", %{session: session} do
    task = PythonxPort.async_eval(session, "1 / 0")
    assert {:error, %Error{type: "ZeroDivisionError"}} = PythonxPort.await(task)
    task = PythonxPort.async_eval(session, "1 / 0")
    assert_raise Error, fn -> PythonxPort.await!(task) end
  end

  test "all forms take session, code and options", %{session: session} do
    assert session |> PythonxPort.async_eval("n", bindings: [n: 1]) |> PythonxPort.await() == {:ok, 1}
    assert session |> PythonxPort.async_exec("n = 5") |> PythonxPort.await!() == nil
    assert session |> PythonxPort.async_call("dict", [], a: 1) |> PythonxPort.await!() == %{"a" => 1}
    assert session |> PythonxPort.async_call("len", ["é"], [], binaries: :bytes) |> PythonxPort.await!() == 2
  end

  test "options that it does not take are refused", %{session: session} do
    assert_raise ArgumentError, fn -> PythonxPort.async_eval(session, "1", demand: 5) end
    assert_raise ArgumentError, fn -> PythonxPort.async_call(session, "len", [[]], [], file: "x") end
  end

  test "only the process that made the request can await it", %{session: session} do
    task = PythonxPort.async_eval(session, "1")
    other = Task.async(fn -> catch_error(PythonxPort.await(task)) end)
    assert %ArgumentError{} = Task.await(other)
    assert PythonxPort.await(task) == {:ok, 1}
  end

  test "the end of the session is a result, once for each who waits", %{session: session, gate: gate} do
    tasks = [
      wait_for(session, gate)
      | for(_ <- 1..5, do: PythonxPort.async_eval(session, "1"))
    ]

    stopper = Task.async(fn -> PythonxPort.stop_session(session, 50) end)

    for task <- tasks do
      assert {:error, %Error{kind: :shutdown}} = PythonxPort.await(task)
    end

    assert Task.await(stopper) == :ok
    refute_received _anything
  end

  test "a session that is not there is a result", %{session: session} do
    PythonxPort.stop_session(session)
    task = PythonxPort.async_eval(session, "1")
    assert {:error, %Error{kind: :not_running}} = PythonxPort.await(task)
  end
end
