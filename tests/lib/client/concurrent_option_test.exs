defmodule PythonxPort.Client.ConcurrentOptionTest do
  # Requests that await something let others run meanwhile: the option :concurrent.
  use PythonxPort.SessionCase, async: true

  import ExUnit.CaptureIO

  test "500 requests that sleep sleep at the same time", %{session: session} do
    PythonxPort.exec!(session, """
    import asyncio
    under_way = most = 0

    async def nap(n):
        global under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.1)
        under_way -= 1
        return n
    """)

    tasks = for n <- 1..500, do: {n, PythonxPort.async_call(session, "nap", [n], [], concurrent: true)}
    for {n, task} <- tasks, do: assert(PythonxPort.await(task, 30_000) == {:ok, n})
    assert {:ok, {0, most}} = PythonxPort.eval(session, "under_way, most")
    assert most > 250
  end

  @tag :uvloop
  test "the loop is uvloop's where that is installed", %{session: session} do
    code = "import asyncio; await asyncio.sleep(0); type(asyncio.get_running_loop()).__module__"
    assert PythonxPort.eval(session, code) == {:ok, "uvloop"}
  end

  test "a request that awaits does not hold up those behind it", %{session: session} do
    PythonxPort.exec!(session, "import asyncio; event = asyncio.Event()")
    waiting = PythonxPort.async_eval(session, "await event.wait(); 'set'", concurrent: true)
    assert PythonxPort.eval(session, "1 + 1") == {:ok, 2}
    assert PythonxPort.info!(session).tasks == 1
    assert PythonxPort.exec(session, "event.set()") == {:ok, nil}
    assert PythonxPort.await(waiting) == {:ok, "set"}
  end

  test "a request that is not concurrent does", %{session: session} do
    PythonxPort.exec!(session, "import asyncio; order = []")
    first = PythonxPort.async_exec(session, "await asyncio.sleep(0.05)\norder.append(1)")
    second = PythonxPort.async_exec(session, "order.append(2)")
    assert {PythonxPort.await(first), PythonxPort.await(second)} == {{:ok, nil}, {:ok, nil}}
    assert PythonxPort.eval(session, "order") == {:ok, [1, 2]}
  end

  test "a coroutine that a call returns is awaited", %{session: session} do
    PythonxPort.exec!(
      session,
      "import asyncio\nasync def double(n):\n    await asyncio.sleep(0)\n    return 2 * n"
    )

    assert PythonxPort.call(session, "double", [21]) == {:ok, 42}
    assert PythonxPort.call(session, "double", [21], [], concurrent: true) == {:ok, 42}
    assert PythonxPort.eval(session, "double(4)") == {:ok, 8}
  end

  test "what is no awaitable is as before", %{session: session} do
    assert PythonxPort.eval(session, "1 + 1", concurrent: true) == {:ok, 2}
    assert PythonxPort.call(session, "len", [[1]], [], concurrent: true) == {:ok, 1}
  end

  test "each has its own output, errors, timeouts and cancellation", %{session: session} do
    PythonxPort.exec!(session, "import asyncio")
    sleep = "await asyncio.sleep(60)"
    cancelled = PythonxPort.async_exec(session, sleep, concurrent: true)
    dead = spawn(fn -> PythonxPort.exec(session, sleep, concurrent: true) end)
    assert {:error, %Error{kind: :timeout}} = PythonxPort.exec(session, sleep, concurrent: true, timeout: 20)

    printed =
      capture_io(fn ->
        PythonxPort.exec!(session, "print('a')\nawait asyncio.sleep(0)\nprint('b')", concurrent: true)
      end)

    assert printed == "a\nb\n"

    assert {:error, %Error{type: "ValueError"}} =
             PythonxPort.eval(session, "await asyncio.sleep(0); int('x')", concurrent: true)

    assert OSProcess.eventually(fn -> PythonxPort.info!(session).tasks == 2 end)
    PythonxPort.cancel(cancelled)
    assert {:error, %Error{kind: :cancelled}} = PythonxPort.await(cancelled)
    Process.exit(dead, :kill)
    assert OSProcess.eventually(fn -> PythonxPort.info!(session).tasks == 0 end)
  end

  test "a cancelled coroutine tidies up", %{session: session} do
    code = """
    import asyncio
    try:
        await asyncio.sleep(60)
    finally:
        tidy = True
    """

    task = PythonxPort.async_exec(session, code, concurrent: true)
    assert OSProcess.eventually(fn -> PythonxPort.info!(session).tasks == 1 end)
    assert PythonxPort.await(task, 0) == {:error, :timeout}
    assert OSProcess.eventually(fn -> PythonxPort.eval!(session, "globals().get('tidy')") == true end)
  end

  test "streams and coroutines go on side by side", %{session: session} do
    code = """
    import asyncio
    async def ticks(n):
        for i in range(n):
            await asyncio.sleep(0.001)
            yield i
    ticks(50)
    """

    sums =
      1..10
      |> Task.async_stream(fn _ -> session |> PythonxPort.stream(code) |> Enum.sum() end, max_concurrency: 10)
      |> Enum.map(&elem(&1, 1))

    assert sums == List.duplicate(1225, 10)
  end
end
