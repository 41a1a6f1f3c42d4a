defmodule PythonxPort.Session.QueueLimitTest do
  use ExUnit.Case, async: true

  alias PythonxPort.{Error, Gate, OSProcess}
  alias PythonxPort.Session.QueueLimit

  defp start(max_queue, options \\ []) do
    PythonxPort.start_session([max_queue: max_queue] ++ options)
  end

  # Starts code that runs until the gate is opened; returns when it runs.
  defp occupy(session, gate) do
    task = PythonxPort.async_exec(session, Gate.wait(gate))
    assert OSProcess.eventually(fn -> PythonxPort.info!(session).running end)
    task
  end

  defp await_all(tasks, result) do
    for task <- tasks, do: assert(PythonxPort.await(task) == result)
  end

  test "there is room for so many beside the one that runs; one more fails at once" do
    gate = Gate.new()
    session = start(3)
    running = occupy(session, gate)
    queued = for _ <- 1..3, do: PythonxPort.async_eval(session, "1")

    for _ <- 1..3 do
      assert {:error, %Error{kind: :overloaded, message: message}} = PythonxPort.eval(session, "1")
      assert message =~ "3 requests"
      assert message =~ ":max_queue allows 3 requests"
      assert {:error, %Error{kind: :overloaded}} = PythonxPort.call(session, "abs", [1])
      assert {:error, %Error{kind: :overloaded}} = PythonxPort.assign(session, x: 1)
      assert %Error{kind: :overloaded} = catch_error(session |> PythonxPort.stream("[1]") |> Enum.to_list())
    end

    Gate.open(gate)
    await_all([running], {:ok, nil})
    await_all(queued, {:ok, 1})
    assert PythonxPort.eval(session, "1") == {:ok, 1}
    assert :sys.get_state(session).pending == %{}
  end

  test "one ends, and then one comes" do
    session = start(1)

    # The caller of the one that runs makes the next request as soon as it has its reply: the queued one runs by then.
    for _ <- 1..200 do
      first = PythonxPort.async_eval(session, "1")
      second = PythonxPort.async_eval(session, "2")
      assert PythonxPort.await(first) == {:ok, 1}
      third = PythonxPort.async_eval(session, "3")
      assert PythonxPort.await(third) == {:ok, 3}
      assert PythonxPort.await(second) == {:ok, 2}
    end
  end

  test "one comes, and then one ends" do
    gate = Gate.new()
    session = start(1)
    running = occupy(session, gate)
    queued = PythonxPort.async_eval(session, "1")
    assert {:error, %Error{kind: :overloaded}} = PythonxPort.eval(session, "2")
    Gate.open(gate)
    await_all([running], {:ok, nil})
    await_all([queued], {:ok, 1})
  end

  test "one that is cancelled while it is queued makes room" do
    gate = Gate.new()
    session = start(1)
    running = occupy(session, gate)

    for _ <- 1..20 do
      queued = PythonxPort.async_eval(session, "1")
      PythonxPort.cancel(queued)
      assert {:error, %Error{kind: :cancelled}} = PythonxPort.await(queued)
    end

    last = PythonxPort.async_eval(session, "1")
    PythonxPort.cancel(running)
    assert {:error, %Error{kind: :cancelled}} = PythonxPort.await(running)
    await_all([last], {:ok, 1})
  end

  test "coroutines and streams that have begun are not queued" do
    gate = Gate.new()
    session = start(2)
    code = "import asyncio, os\nwhile not os.path.exists(gate): await asyncio.sleep(0.005)\nn"

    tasks =
      for n <- 1..20 do
        task = PythonxPort.async_eval(session, code, bindings: [n: n, gate: gate], concurrent: true)
        assert OSProcess.eventually(fn -> PythonxPort.info!(session).tasks == n end)
        task
      end

    # Each reads one item, and stays.
    test = self()

    readers =
      for n <- 1..5 do
        reader =
          Task.async(fn ->
            session
            |> PythonxPort.stream("iter(range(100_000))", demand: 2)
            |> Enum.each(fn item ->
              if item == 0, do: send(test, :reads)
              if item == 0, do: receive(do: (:go_on -> :ok))
            end)
          end)

        assert_receive :reads
        assert PythonxPort.info!(session).streams == n
        reader
      end

    assert PythonxPort.eval(session, "1") == {:ok, 1}
    for reader <- readers, do: Task.shutdown(reader, :brutal_kill)
    Gate.open(gate)
    for {task, n} <- Enum.zip(tasks, 1..20), do: assert(PythonxPort.await(task) == {:ok, n})
  end

  test "what callbacks ask for, info and cancels are exempt" do
    gate = Gate.new()
    session = start(1)
    test = self()

    ask = fn ->
      send(test, :called)
      receive(do: (:ask -> for(n <- 1..3, do: PythonxPort.eval!(session, "n", bindings: [n: n]))))
    end

    ask_from = fn ->
      send(test, {:callback, self()})
      ask.()
    end

    running = PythonxPort.async_eval(session, "ask()", bindings: [ask: ask_from])
    assert_receive {:callback, callback}
    queued = PythonxPort.async_exec(session, Gate.wait(gate))
    assert {:error, %Error{kind: :overloaded}} = PythonxPort.eval(session, "1")
    assert %{queued: 1} = PythonxPort.info!(session)
    send(callback, :ask)
    assert PythonxPort.await(running) == {:ok, [1, 2, 3]}
    PythonxPort.cancel(queued)
    assert {:error, %Error{kind: :cancelled}} = PythonxPort.await(queued)
  end

  test "bytes are limited, too, also those in shared memory; an empty queue takes any request" do
    gate = Gate.new()
    session = start(bytes: 3_000_000)
    large = :binary.copy("x", 2_000_000)
    async = fn -> PythonxPort.async_eval(session, "len(x)", bindings: [x: large]) end

    huge = :binary.copy("x", 4_000_000)
    assert PythonxPort.eval(session, "len(x)", bindings: [x: huge]) == {:ok, 4_000_000}

    running = occupy(session, gate)
    first = async.()
    second = async.()
    assert {:error, %Error{kind: :overloaded, message: message}} = PythonxPort.await(second)
    assert message =~ ":max_queue allows 3000000 bytes"
    small = PythonxPort.async_eval(session, "1")
    Gate.open(gate)
    await_all([running], {:ok, nil})
    await_all([first], {:ok, 2_000_000})
    await_all([small], {:ok, 1})
  end

  test "many callers get what there is room for, in order, and the rest an error" do
    gate = Gate.new()
    session = start(100)
    running = occupy(session, gate)

    results =
      for n <- 1..2_000 do
        PythonxPort.async_exec(session, "try: log.append(n)\nexcept NameError: log = [n]", bindings: [n: n])
      end

    Gate.open(gate)
    results = Enum.map(results, &PythonxPort.await(&1, 30_000))
    assert PythonxPort.await(running) == {:ok, nil}
    ran = for {{:ok, nil}, n} <- Enum.with_index(results, 1), do: n
    assert length(ran) >= 100
    assert Enum.take(ran, 100) == Enum.to_list(1..100)
    assert PythonxPort.eval(session, "log") == {:ok, ran}
    assert Enum.all?(results, &(&1 == {:ok, nil} or match?({:error, %Error{kind: :overloaded}}, &1)))
    state = :sys.get_state(session)
    assert state.pending == %{}
    assert state.queue_limit.numbers == %{}
    assert state.queue_limit.bytes == 0
  end

  test "nothing is counted by default" do
    assert :sys.get_state(PythonxPort.start_session()).queue_limit == nil
  end

  describe "the counts" do
    defp add(limit, entry) do
      {:ok, limit} = QueueLimit.add(limit, entry)
      limit
    end

    test "are those of requests and bytes, less what has begun or ended" do
      limit = QueueLimit.new(requests: 3, bytes: 100)
      limit = limit |> add({1, 10}) |> add({2, 20}) |> add({3, 30})
      assert QueueLimit.add(limit, {4, 1}) == :full
      limit = QueueLimit.remove(limit, 2)
      assert QueueLimit.add(limit, {4, 61}) == :full
      limit = add(limit, {4, 60})
      assert {map_size(limit.numbers), limit.bytes} == {3, 100}
      limit = QueueLimit.keep(limit, 1)
      assert {Map.keys(limit.numbers), limit.bytes} == {[4], 60}
      assert QueueLimit.keep(limit, 5) == limit
      assert QueueLimit.remove(limit, 1) == limit
      limit = QueueLimit.keep(limit, 0)
      assert limit |> add({5, 1_000}) |> QueueLimit.add({6, 1}) == :full
    end
  end
end
