defmodule PythonxPort.Client.ManyCallersTest do
  use PythonxPort.SessionCase, async: true

  test "100 processes that share a session each get their own results", %{session: session} do
    PythonxPort.exec!(session, "def square(n): return n * n")

    results =
      1..100
      |> Task.async_stream(
        fn n ->
          for i <- 1..20 do
            k = n * 1_000 + i
            assert PythonxPort.call(session, "square", [k]) == {:ok, k * k}
            assert PythonxPort.eval(session, "k + 1", bindings: [k: k]) == {:ok, k + 1}
          end

          n
        end,
        max_concurrency: 100,
        timeout: 60_000
      )
      |> Enum.map(fn {:ok, n} -> n end)

    assert results == Enum.to_list(1..100)
    assert PythonxPort.info!(session).requests == 1 + 100 * 20 * 2
  end

  test "100 processes that share a session each get their own output and errors", %{session: session} do
    1..100
    |> Task.async_stream(
      fn n ->
        code = "print(n)\nraise ValueError(n)"

        assert {:error, %Error{message: message}} =
                 PythonxPort.exec(session, code, bindings: [n: n], output: self())

        assert message == "#{n}"
        text = "#{n}\n"
        assert_received {:pythonx_output, ^session, :stdout, ^text}
        refute_received _anything
      end,
      max_concurrency: 100,
      timeout: 60_000
    )
    |> Enum.each(&assert {:ok, _} = &1)
  end

  test "10,000 requests under way at once", %{session: session} do
    tasks = for n <- 1..10_000, do: {n, PythonxPort.async_eval(session, "n", bindings: [n: n])}
    for {n, task} <- Enum.shuffle(tasks), do: assert(PythonxPort.await(task, 30_000) == {:ok, n})
  end

  test "callers that give up leave the others alone", %{session: session} do
    gate = Gate.new()
    slow = PythonxPort.async_exec(session, Gate.wait(gate))

    callers =
      for n <- 1..50, timeout = if(rem(n, 2) == 0, do: 1, else: :infinity) do
        {n, Task.async(fn -> PythonxPort.eval(session, "n", bindings: [n: n], timeout: timeout) end)}
      end

    {impatient, patient} = Enum.split_with(callers, fn {n, _task} -> rem(n, 2) == 0 end)
    for {_n, task} <- impatient, do: assert({:error, %Error{kind: :timeout}} = Task.await(task))
    Gate.open(gate)
    for {n, task} <- patient, do: assert(Task.await(task) == {:ok, n})
    assert PythonxPort.await(slow) == {:ok, nil}
  end

  test "sessions run at the same time" do
    # Each waits for the other's file: in turn, neither would end.
    directory =
      Path.join(System.tmp_dir!(), "pythonx_port-meet-#{System.unique_integer([:positive])}-#{System.pid()}")

    File.mkdir_p!(directory)
    on_exit(fn -> File.rm_rf(directory) end)

    code = """
    import os, time
    open(os.path.join(directory, mine), "w").close()
    while not os.path.exists(os.path.join(directory, other)): time.sleep(0.005)
    """

    tasks =
      for {mine, other} <- [{"a", "b"}, {"b", "a"}] do
        session = PythonxPort.start_session()
        PythonxPort.async_exec(session, code, bindings: [directory: directory, mine: mine, other: other])
      end

    assert Enum.map(tasks, &PythonxPort.await(&1, 10_000)) == [{:ok, nil}, {:ok, nil}]
  end
end
