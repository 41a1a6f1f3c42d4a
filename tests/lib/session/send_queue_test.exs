defmodule PythonxPort.Session.SendQueueTest do
  use PythonxPort.SessionCase, async: true

  alias PythonxPort.Session.SendQueue

  defp admit(queue, key, size), do: SendQueue.admit(queue, key, {[key], size})

  # How many of a size are taken before the first that waits.
  defp taken(queue, size, count \\ 0) do
    case admit(queue, count, size) do
      {:send, queue} -> taken(queue, size, count + 1)
      {:wait, _queue} -> count
    end
  end

  test "has room for so many, and for so much" do
    assert taken(SendQueue.new(), 10) == 8_192
    assert taken(SendQueue.new(), 1024 * 1024) == 128
  end

  test "lets what is larger than all room go alone" do
    assert {:send, queue} = admit(SendQueue.new(), :large, 1_000_000_000)
    assert {:wait, queue} = admit(queue, :small, 1)
    assert {[small: [:small]], queue} = SendQueue.done(queue, 1_000_000_000)
    assert {:wait, queue} = admit(queue, :large, 1_000_000_000)
    assert {:wait, queue} = admit(queue, :another, 1)
    assert {[large: [:large]], queue} = SendQueue.done(queue, 1)
    assert {[another: [:another]], queue} = SendQueue.done(queue, 1_000_000_000)
    assert {[], queue} = SendQueue.done(queue, 1)
    assert queue == SendQueue.new()
  end

  test "keeps the order, also of what takes no room, and without what was dropped" do
    {:send, queue} = admit(SendQueue.new(), 0, 1_000_000_000)

    queue =
      Enum.reduce(1..6, queue, fn n, queue ->
        {:wait, queue} = admit(queue, n, if(n != 3, do: 1))
        queue
      end)

    assert {:dropped, queue} = SendQueue.drop(queue, 2)
    assert {:dropped, queue} = SendQueue.drop(queue, 6)
    assert SendQueue.drop(queue, 2) == :sent
    assert SendQueue.drop(queue, 0) == :sent
    assert {ready, queue} = SendQueue.done(queue, 1_000_000_000)
    assert Keyword.keys(for {n, [n]} <- ready, do: {:"#{n}", n}) == [:"1", :"3", :"4", :"5"]

    assert Enum.reduce(1..3, queue, fn _, queue ->
             {[], queue} = SendQueue.done(queue, 1)
             queue
           end) == SendQueue.new()
  end

  test "holds back all that comes, or all from one entry on" do
    queue = SendQueue.hold(SendQueue.new(), :all)
    {:wait, queue} = admit(queue, 1, 1)
    {:wait, queue} = admit(queue, 2, nil)
    {:wait, queue} = admit(queue, 3, 1)
    assert {:ok, queue} = SendQueue.append(queue, 3, :more)
    assert SendQueue.append(queue, 4, :more) == :sent
    assert {[{1, [1]}, {2, [2]}], queue} = SendQueue.release(queue, 3)
    assert SendQueue.done(queue, 1) |> elem(0) == []
    {:wait, queue} = admit(queue, 4, 1)
    # The entry keeps its place if it is dropped.
    assert {:dropped, queue} = SendQueue.drop(queue, 3)
    assert {[], _queue} = SendQueue.release(queue, 3)
    assert {[{4, [4]}], queue} = SendQueue.release(queue)
    assert {:send, _queue} = admit(queue, 5, 1)
  end

  test "an entry that is held back and dropped, with none behind it, still holds back what comes" do
    queue = SendQueue.hold(SendQueue.new(), 1)
    {:wait, queue} = admit(queue, 1, 1)
    {:dropped, queue} = SendQueue.drop(queue, 1)
    {[], queue} = SendQueue.release(queue, 1)
    {:wait, queue} = admit(queue, 2, 1)
    assert {[], queue} = SendQueue.release(queue, 1)
    assert {[{2, [2]}], queue} = SendQueue.release(queue)
    assert %{held: nil, count: 1, frames: frames} = queue
    assert frames == %{}
  end

  test "a stream that is queued here gets all of its items", %{session: session} do
    gate = Gate.new()
    PythonxPort.async_exec(session, Gate.wait(gate))
    for _ <- 1..9_000, do: PythonxPort.async_exec(session, "pass")
    sum = Task.async(fn -> session |> PythonxPort.stream("range(1_000)") |> Enum.sum() end)
    assert OSProcess.eventually(fn -> map_size(:sys.get_state(session).pending) == 9_002 end)
    Gate.open(gate)
    assert Task.await(sum, 30_000) == 499_500
  end

  describe "more requests than Python takes" do
    setup %{session: session} do
      running = PythonxPort.async_exec(session, "ran = []\nwhile True: pass")
      tasks = for n <- 1..20_000, do: PythonxPort.async_exec(session, "ran.append(n)", bindings: [n: n])
      {:ok, running: running, tasks: tasks}
    end

    test "run in order, once what runs is cancelled", %{session: session, running: running, tasks: tasks} do
      PythonxPort.cancel(running)
      assert {:error, %Error{kind: :cancelled}} = PythonxPort.await(running)
      for task <- tasks, do: assert(PythonxPort.await(task, 30_000) == {:ok, nil})
      assert PythonxPort.eval(session, "ran == list(range(1, 20_001))") == {:ok, true}
      assert :sys.get_state(session).send_queue == SendQueue.new()
    end

    test "can all be cancelled", %{session: session, running: running, tasks: tasks} do
      Enum.each(tasks, &PythonxPort.cancel/1)
      for task <- tasks, do: assert({:error, %Error{kind: :cancelled}} = PythonxPort.await(task, 30_000))
      PythonxPort.cancel(running)
      assert {:error, %Error{kind: :cancelled}} = PythonxPort.await(running)
      assert PythonxPort.eval(session, "ran") == {:ok, []}
      state = :sys.get_state(session)
      assert {state.pending, state.ids, state.send_queue} == {%{}, %{}, SendQueue.new()}
    end

    test "have timeouts", %{session: session, running: running} do
      assert {:error, %Error{kind: :timeout}} = PythonxPort.eval(session, "1", timeout: 50)

      assert {:error, %Error{kind: :timeout}} =
               catch_error(session |> PythonxPort.stream("[]", timeout: 50) |> Enum.to_list())
               |> then(&{:error, &1})

      assert {:ok, %{running: id}} = PythonxPort.info(session)
      assert is_integer(id)
      PythonxPort.cancel(running)
      assert PythonxPort.eval(session, "len(ran)") == {:ok, 20_000}
    end
  end

  test "a timeout counts from when the request was made, also where it had to wait here", %{session: session} do
    gate = Gate.new()
    running = PythonxPort.async_exec(session, Gate.wait(gate))
    waiting = for _ <- 1..10_000, do: PythonxPort.async_exec(session, "pass")
    timeout = PythonxPort.TimeFactor.stretch(700)
    late = Task.async(fn -> PythonxPort.exec(session, "for n in iter(int, 1): pass", timeout: timeout) end)
    assert OSProcess.eventually(fn -> map_size(:sys.get_state(session).pending) == 10_002 end)
    Process.sleep(300)
    Gate.open(gate)
    {microseconds, result} = :timer.tc(fn -> Task.await(late, PythonxPort.TimeFactor.stretch(20_000)) end)
    assert {:error, %Error{kind: :timeout}} = result
    # If the count began again here, it would take the whole timeout.
    assert microseconds < (timeout - 10) * 1_000
    assert PythonxPort.await(running) == {:ok, nil}
    Enum.each(waiting, &assert(PythonxPort.await(&1) == {:ok, nil}))
  end
end
