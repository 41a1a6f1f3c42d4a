# A long computation that can be watched, and ended, from Elixir.

Code.require_file("progress_bar.ex", __DIR__)

format = [format: "$level from Python: $message\n"]
Logger.configure(level: :info)

# Elixir 1.15 has handlers instead of backends.
if Code.ensure_loaded?(Logger.Formatter) and function_exported?(Logger.Formatter, :new, 1) do
  :ok = :logger.update_handler_config(:default, :formatter, apply(Logger.Formatter, :new, [format]))
else
  apply(Logger, :configure_backend, [:console, format])
end

path = Path.expand("fit.py", __DIR__)
code = PythonxPort.Code.new(File.read!(path), file: path)
session = PythonxPort.start_session(init: code)

# Python sends its progress to a process, and logs; the caller just waits for the result.
{:ok, bar} = ProgressBar.start_link()
{:ok, weights} = PythonxPort.call(session, "fit", [bar, 500])
ProgressBar.finish(bar)
IO.puts("weights: #{Enum.map_join(weights, ", ", &Float.round(&1, 2))}")

# Or Python is asked step by step, for as long as it pays. What is not asked for is not computed.
{steps, loss} =
  session
  |> PythonxPort.stream("steps(list(points(400)))", demand: 8)
  |> Stream.map(fn {_weights, loss} -> loss end)
  |> Stream.with_index(1)
  |> Stream.chunk_every(2, 1, :discard)
  |> Enum.find_value(fn [{before, _}, {loss, steps}] -> before - loss < 0.0005 && {steps, loss} end)

IO.puts("good enough after #{steps} steps, with a loss of #{Float.round(loss, 4)}")

# Or it is given so much time, and no more.
{:error, error} = PythonxPort.call(session, "fit", [self(), 1_000_000], [], timeout: 200)
IO.puts("a fit of 1,000,000 passes: #{error.kind}")
{:ok, 4} = PythonxPort.eval(session, "2 + 2")
IO.puts("the session is as before")
PythonxPort.stop_session(session)
