# What goes on beside requests and their results: ending them, streams, calls from Python, coroutines. Run by run.py; prints a
# line for each round: name, the port's seconds and the baseline's, between tabs. Where a time is asked for rather than a
# ratio, the baseline is a unit of time, as the name says.

defmodule Control do
  @millisecond 1.0e-3

  def run do
    for part <- [&cancel/1, &info/1, &stream/1, &invoke/1, &sleep/1] do
      PythonxPort.session([python: System.fetch_env!("PYTHONX_PYTHON"), init: "import erlang"], part)
    end
  end

  # From cancel/1 until the error is there.
  defp cancel(session) do
    code = "erlang.send(pid, 'begun')\nwhile True: pass"

    times =
      for _ <- 1..1_000 do
        task = PythonxPort.async_exec(session, code, bindings: [pid: self()])
        receive do: ("begun" -> :ok)
        started = System.monotonic_time()
        PythonxPort.cancel(task)
        {:error, %{kind: :cancelled}} = PythonxPort.await(task, :infinity)
        since(started)
      end

    line("cancel a tight loop, median, to 1 ms", times |> Enum.sort() |> Enum.at(500), @millisecond)
    line("cancel a tight loop, worst of 1,000, to 1 ms", Enum.max(times), @millisecond)
  end

  # `info` while a C call holds the GIL, in turns with `info` while nothing runs.
  defp info(session) do
    code = "import ctypes\nsleep = ctypes.PyDLL(None).usleep"
    PythonxPort.exec!(session, code)
    ask = fn -> time(fn -> for(_ <- 1..20, do: {:ok, _info} = PythonxPort.info(session)) end) / 20 end
    ask.()

    for _round <- 1..30 do
      idle = ask.()

      task =
        PythonxPort.async_exec(session, "erlang.send(pid, 'begun'); sleep(100_000)", bindings: [pid: self()])

      receive do: ("begun" -> :ok)
      busy = ask.()
      {:ok, nil} = PythonxPort.await(task)
      line("info while C holds the GIL, to idle", busy, idle)
    end
  end

  defp stream(session) do
    count = 100_000
    items = fn -> ^count = session |> PythonxPort.stream("range(#{count})") |> Enum.count() end
    evals = fn -> for(_ <- 1..count, do: {:ok, 1} = PythonxPort.eval(session, "1")) end
    items.()
    for _round <- 1..3, do: line("100,000 items, to as many evals", time(items), time(evals))
  end

  # Calls from Python, timed there, within one request.
  defp invoke(session) do
    count = 2_000

    PythonxPort.exec!(session, """
    import time

    def timed(function, count):
        start = time.perf_counter()
        for n in range(count): function(n)
        return (time.perf_counter() - start) / count
    """)

    calls = fn -> PythonxPort.call!(session, "timed", [& &1, count]) end

    evals = fn ->
      time(fn -> for(_ <- 1..count, do: {:ok, 1} = PythonxPort.eval(session, "1")) end) / count
    end

    calls.()
    for _round <- 1..20, do: line("a call to the BEAM, to an eval", calls.(), evals.())
  end

  defp sleep(session) do
    PythonxPort.exec!(session, "import asyncio")

    all = fn ->
      1..500
      |> Enum.map(fn _ -> PythonxPort.async_call(session, "asyncio.sleep", [0.1], [], concurrent: true) end)
      |> Enum.each(&({:ok, nil} = PythonxPort.await(&1, :infinity)))
    end

    all.()
    for _round <- 1..10, do: line("500 sleeps of 100 ms, to one", time(all), 100 * @millisecond)
  end

  defp time(fun) do
    :erlang.garbage_collect()
    started = System.monotonic_time()
    fun.()
    since(started)
  end

  defp since(started),
    do: System.convert_time_unit(System.monotonic_time() - started, :native, :nanosecond) * 1.0e-9

  defp line(name, ours, baseline), do: IO.puts("#{name}\t#{ours}\t#{baseline}")
end

Control.run()
