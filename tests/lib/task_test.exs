defmodule PythonxPort.TaskTest do
  # Results as messages, for servers that must not wait.
  use PythonxPort.SessionCase, async: true

  import ExUnit.CaptureLog

  setup do
    {:ok, gate: Gate.new()}
  end

  defp wait_for(session, gate, options \\ []) do
    PythonxPort.async_eval(session, Gate.wait(gate) <> "'done'", options)
  end

  # The message about a task.
  defp receive_message(%{ref: ref}) do
    receive do
      {[:alias | ^ref], _reply} = message -> message
      {:DOWN, ^ref, :process, _pid, _reason} = message -> message
    after
      20_000 -> flunk("no message came")
    end
  end

  defp take(task), do: task |> receive_message() |> PythonxPort.handle_reply(task)

  defp refute_message(%{ref: ref}) do
    refute_received {[:alias | ^ref], _reply}
    refute_received {:DOWN, ^ref, :process, _pid, _reason}
  end

  test "a message is the result, once", %{session: session} do
    task = PythonxPort.async_eval(session, "1 + 1")
    assert take(task) == {:reply, {:ok, 2}, task}
    assert {:error, %Error{kind: :cancelled}} = PythonxPort.await(task)
    task = PythonxPort.async_exec(session, "1 / 0")
    assert {:reply, {:error, %Error{type: "ZeroDivisionError"}}, ^task} = take(task)
    task = PythonxPort.async_call(session, :len, [[1]])
    assert {:reply, {:ok, 1}, ^task} = take(task)
    refute_message(task)
  end

  test "a task is found among others, in a list or a map", %{session: session} do
    tasks = for n <- 1..3, do: PythonxPort.async_eval(session, "n", bindings: [n: n])
    second = Enum.at(tasks, 1)
    assert second |> receive_message() |> PythonxPort.handle_reply(tasks) == {:reply, {:ok, 2}, second}
    map = Map.new(tasks, &{&1.ref, &1})
    [first, _second, third] = tasks
    assert third |> receive_message() |> PythonxPort.handle_reply(map) == {:reply, {:ok, 3}, third}
    message = receive_message(first)
    assert PythonxPort.handle_reply(message, []) == :no_reply
    assert PythonxPort.handle_reply(message, %{}) == :no_reply
    assert PythonxPort.handle_reply(message, third) == :no_reply
    assert PythonxPort.handle_reply(message, tasks) == {:reply, {:ok, 1}, first}
  end

  test "other messages are no replies", %{session: session} do
    task = PythonxPort.async_eval(session, "1")

    for message <- [
          :tick,
          {make_ref(), 1},
          {:DOWN, make_ref(), :process, self(), :normal},
          {[:alias | 1], 2},
          nil
        ],
        tasks <- [task, [task], %{task.ref => task}] do
      assert PythonxPort.handle_reply(message, tasks) == :no_reply
    end

    assert PythonxPort.await(task) == {:ok, 1}
  end

  test "what is no task is refused" do
    for tasks <- [nil, [nil], Task.async(fn -> :ok end), :task, [1 | 2]] do
      assert_raise ArgumentError, ~r/expected a PythonxPort.Task/, fn ->
        PythonxPort.handle_reply(:x, tasks)
      end
    end
  end

  test "another process than the owner is refused", %{session: session} do
    task = PythonxPort.async_eval(session, "1")
    message = receive_message(task)

    for tasks <- [task, [task], %{task.ref => task}] do
      other = Task.async(fn -> catch_error(PythonxPort.handle_reply(message, tasks)) end)
      assert %ArgumentError{message: text} = Task.await(other)
      assert text =~ "only the process that made the request, #{inspect(self())}"
    end

    assert {:reply, {:ok, 1}, _task} = PythonxPort.handle_reply(message, task)
  end

  test "no message comes for a task that was awaited, in time or not", %{session: session, gate: gate} do
    task = PythonxPort.async_eval(session, "1")
    assert PythonxPort.await(task) == {:ok, 1}
    late = wait_for(session, gate)
    assert PythonxPort.await(late, 10) == {:error, :timeout}
    Gate.open(gate)
    assert PythonxPort.eval(session, "1") == {:ok, 1}
    for task <- [task, late], do: refute_message(task)
  end

  test "a cancelled task has one message, cancelled before or after the reply", %{
    session: session,
    gate: gate
  } do
    task = wait_for(session, gate)
    PythonxPort.cancel(task)
    assert {:reply, {:error, %Error{kind: :cancelled}}, ^task} = take(task)
    task = PythonxPort.async_eval(session, "1")
    message = receive_message(task)
    PythonxPort.cancel(task)
    assert PythonxPort.handle_reply(message, task) == {:reply, {:ok, 1}, task}
    PythonxPort.cancel(task)
    assert PythonxPort.eval(session, "1") == {:ok, 1}
    refute_message(task)
  end

  test "a timeout is one message", %{session: session, gate: gate} do
    running = wait_for(session, gate, timeout: 50)
    queued = PythonxPort.async_call(session, "len", [[]], [], timeout: 20)

    for task <- [running, queued] do
      assert {:reply, {:error, %Error{kind: :timeout}}, ^task} = take(task)
    end

    assert PythonxPort.eval(session, "1") == {:ok, 1}
    for task <- [running, queued], do: refute_message(task)
  end

  test "a timeout is a result of await, too", %{session: session, gate: gate} do
    task = wait_for(session, gate, timeout: 20)
    assert {:error, %Error{kind: :timeout}} = PythonxPort.await(task, :infinity)
    assert PythonxPort.eval(session, "1") == {:ok, 1}
  end

  test "a timeout without an end to its grace is one message", %{session: session, gate: gate} do
    code = "try:\n  while True: pass\nexcept BaseException: pass\n" <> Gate.wait(gate)
    task = PythonxPort.async_exec(session, code, timeout: 50, grace: :infinity)
    assert {:reply, {:error, %Error{kind: :timeout}}, ^task} = take(task)
    Gate.open(gate)
    assert PythonxPort.eval(session, "1") == {:ok, 1}
    refute_message(task)
  end

  test "the end of the session before the reply is one message", %{session: session, gate: gate} do
    capture_log(fn ->
      task = wait_for(session, gate)
      session |> OSProcess.of() |> OSProcess.kill("KILL")
      assert {:reply, {:error, %Error{kind: :crashed, signal: :sigkill}}, ^task} = take(task)
      refute_message(task)
    end)
  end

  test "the end of the session after the reply leaves no message", %{session: session} do
    task = PythonxPort.async_eval(session, "1")
    message = receive_message(task)
    PythonxPort.stop_session(session)
    assert PythonxPort.handle_reply(message, task) == {:reply, {:ok, 1}, task}
    refute_message(task)
  end

  test "a request that could not be sent has its message, too", %{session: session} do
    PythonxPort.stop_session(session)

    for session <- [session, :no_such_session] do
      task = PythonxPort.async_eval(session, "1")
      assert PythonxPort.cancel(task) == :ok
      assert {:reply, {:error, %Error{kind: :not_running}}, ^task} = take(task)
      assert {:error, %Error{kind: :cancelled}} = PythonxPort.await(task)
      task = PythonxPort.async_call(session, :len, [[]])
      assert {:error, %Error{kind: :not_running}} = PythonxPort.await(task)
      refute_message(task)
    end
  end

  @tag :segments
  test "a value in shared memory is read, and its segment given back", %{session: session} do
    size = 1024 * 1024

    for _ <- 1..3 do
      task = PythonxPort.async_eval(session, "b'x' * #{size}")
      assert {[:alias | _ref], {:shared, _frame, _directory, [_segment]}} = message = receive_message(task)
      assert {:reply, {:ok, value}, ^task} = PythonxPort.handle_reply(message, task)
      assert value == String.duplicate("x", size)
    end

    PythonxPort.info!(session)
    assert :sys.get_state(session).leases.holders == %{}
  end

  test "is shown in short", %{session: session} do
    task = PythonxPort.async_eval(session, "1")
    assert inspect(task) =~ ~r/\A#PythonxPort.Task<.*ref: #Reference<[\d.]+>.*>\z/
    refute inspect(task) =~ "request"
  end

  describe "the server in the documentation" do
    setup do
      {:docs_v1, _, _, _, %{"en" => text}, _, _} = Code.fetch_docs(PythonxPort.Task)
      [source] = Regex.run(~r/^    defmodule MyApp\.Words do\n.*?^    end$/ms, text)
      module = Module.concat(__MODULE__, "Words#{System.unique_integer([:positive])}")

      [{^module, _bytecode}] =
        source |> String.replace("MyApp.Words", inspect(module)) |> Code.compile_string()

      start_supervised!(module)
      {:ok, module: module}
    end

    test "answers many clients at once, while Python works for one", %{module: module, gate: gate} do
      %{session: session} = :sys.get_state(module)
      blocker = Task.async(fn -> PythonxPort.exec(session, Gate.wait(gate)) end)
      clients = for n <- 1..50, do: Task.async(fn -> module.count(String.duplicate("word ", n)) end)
      # The server itself does not wait.
      assert %{tasks: _tasks} = :sys.get_state(module)
      Gate.open(gate)
      assert Task.await_many(clients, 20_000) == for(n <- 1..50, do: {:ok, n})
      assert Task.await(blocker) == {:ok, nil}
      assert %{tasks: tasks, clients: clients} = :sys.get_state(module)
      assert {tasks, clients} == {%{}, %{}}
    end
  end
end
