# `make demo`: what one gets, in a few seconds.

Code.require_file("model_server/model_server.ex", __DIR__)

defmodule Demo do
  @parabola """
  import numpy as np

  def fit(times, heights):
      quadratic, linear, constant = np.polyfit(times, heights, 2)
      return {"speed": linear, "gravity": -2 * quadratic}
  """

  @invoice """
  def total(prices):
      return sum(price(p) for p in prices)

  def price(text):
      return float(text.replace(",", "."))

  total(prices)
  """

  def run do
    # The crash below is no news for the log.
    Logger.configure(level: :none)

    session = PythonxPort.start_session()
    code_and_data(session)
    numpy(session)
    exception(session)
    crash()
  end

  defp code_and_data(session) do
    heading("Elixir and Python, each in a process of its own")
    {:ok, version} = PythonxPort.call(session, "platform.python_version", [])
    {:ok, os_pid} = PythonxPort.call(session, "os.getpid", [])
    say("Python #{version} is OS process #{os_pid}, the BEAM is OS process #{System.pid()}.")

    {:ok, words} =
      PythonxPort.eval(session, "sorted(words, key=len)", bindings: [words: ~w(port BEAM a term)])

    say("sorted(words, key=len) is #{inspect(words)}.")
  end

  defp numpy(session) do
    heading("NumPy at work on data from Elixir")

    with {:error, error} <- PythonxPort.exec(session, @parabola) do
      say("#{error.type}: #{error.message}. Install NumPy, or name a Python that has it in PYTHONX_PYTHON.")
      System.halt(1)
    end

    times = for i <- 1..10_000, do: i / 10_000
    heights = for t <- times, do: 5 * t - 9.81 * t * t / 2 + :rand.normal() / 100

    {microseconds, {:ok, ball}} = :timer.tc(fn -> PythonxPort.call(session, "fit", [times, heights]) end)
    [speed, gravity] = for key <- ["speed", "gravity"], do: :erlang.float_to_binary(ball[key], decimals: 2)
    say("10,000 noisy heights of a ball, thrown up with 5 m/s, went to Python and were fitted")
    say("in #{div(microseconds, 1000)} ms: speed #{speed} m/s, gravity #{gravity} m/s/s.")
  end

  defp exception(session) do
    heading("An exception comes with its traceback")

    {:error, error} =
      PythonxPort.eval(session, @invoice, bindings: [prices: ["9,90", "free"]], file: "invoice.py")

    say("kind: #{inspect(error.kind)}, type: #{inspect(error.type)}, and the traceback:")
    quote_text(error.traceback)
  end

  defp crash do
    heading("A crash ends one process, and not the BEAM")
    {:ok, supervisor} = Supervisor.start_link([ModelServer], strategy: :one_for_one)
    say("A supervised server has fitted a model: #{prediction()}")

    server = Process.whereis(ModelServer)
    say("Now Python reads memory at address 0, and the caller gets:")
    {:error, error} = ModelServer.call("ctypes.string_at", [0])
    say("kind: #{inspect(error.kind)}, signal: #{inspect(error.signal)}, and what Python was doing:")
    quote_text(error.traceback)

    ModelServer.await_next(server)
    say("The supervisor has started the next: #{prediction()}")
    Supervisor.stop(supervisor)
  end

  defp prediction do
    {:ok, [rent]} = ModelServer.predict([{50, 2}])
    {:ok, os_pid} = ModelServer.call("os.getpid", [])
    "a flat of 50 square metres costs #{rent} (OS process #{os_pid})."
  end

  defp heading(text), do: IO.puts("\n#{text}\n#{String.duplicate("-", String.length(text))}")

  defp say(text), do: IO.puts(text)

  defp quote_text(text) do
    for line <- text |> String.trim() |> String.split("\n"), do: IO.puts(String.trim_trailing("  | #{line}"))
  end
end

Demo.run()
