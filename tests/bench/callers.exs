# Many callers of one session at a time: how long a call takes, and how many end in a second. The floor is a C program
# that echoes frames of the same size behind a port, with as many frames under way as there are callers. Run by run.py
# with the path of that program; prints a line for each round: name, the port's seconds and the floor's, between tabs.

defmodule Callers do
  @calls 16_000
  @rounds 5
  # As long as a call of this session.
  @frame :binary.copy("x", 60)

  def run([echo]) do
    session = PythonxPort.start_session(python: System.fetch_env!("PYTHONX_PYTHON"))
    PythonxPort.exec!(session, "def add(a, b):\n    return a + b")
    port = Port.open({:spawn_executable, echo}, [:binary, packet: 4])

    for callers <- [1, 4, 16, 64] do
      ours(session, callers)
      floor(port, callers)

      for _round <- 1..@rounds do
        {our_seconds, our_times} = ours(session, callers)
        {floor_seconds, floor_times} = floor(port, callers)
        line("#{callers} callers, p50", percentile(our_times, 50), percentile(floor_times, 50))
        line("#{callers} callers, p99", percentile(our_times, 99), percentile(floor_times, 99))
        line("#{callers} callers, each call", our_seconds / @calls, floor_seconds / @calls)
      end
    end
  end

  defp ours(session, callers) do
    count = div(@calls, callers)

    call_often = fn ->
      for _ <- 1..count do
        started = System.monotonic_time()
        {:ok, 3} = PythonxPort.call(session, "add", [1, 2])
        System.monotonic_time() - started
      end
    end

    timed(fn ->
      1..callers
      |> Enum.map(fn _ -> Task.async(call_often) end)
      |> Task.await_many(:infinity)
      |> Enum.concat()
    end)
  end

  defp floor(port, callers) do
    timed(fn ->
      waiting = Enum.reduce(1..callers, :queue.new(), fn _, waiting -> send_frame(port, waiting) end)
      receive_frames(port, waiting, @calls - callers, [])
    end)
  end

  defp send_frame(port, waiting) do
    true = Port.command(port, @frame)
    :queue.in(System.monotonic_time(), waiting)
  end

  defp receive_frames(port, waiting, left, times) do
    case :queue.out(waiting) do
      {:empty, _} ->
        times

      {{:value, started}, waiting} ->
        receive do: ({^port, {:data, @frame}} -> :ok)
        times = [System.monotonic_time() - started | times]
        waiting = if left > 0, do: send_frame(port, waiting), else: waiting
        receive_frames(port, waiting, left - 1, times)
    end
  end

  defp timed(fun) do
    :erlang.garbage_collect()
    started = System.monotonic_time()
    times = fun.()
    {seconds(System.monotonic_time() - started), times}
  end

  defp percentile(times, percent) do
    times |> Enum.sort() |> Enum.at(div(length(times) * percent, 100)) |> seconds()
  end

  defp seconds(native), do: System.convert_time_unit(native, :native, :nanosecond) * 1.0e-9

  defp line(name, ours, floor), do: IO.puts("#{name}\t#{ours}\t#{floor}")
end

Callers.run(System.argv())
