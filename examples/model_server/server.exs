# The model server under a supervisor: it predicts, crashes, predicts again, and stops.

Code.require_file("model_server.ex", __DIR__)

# The crash below is no news for the log.
Logger.configure(level: :none)

{:ok, supervisor} = Supervisor.start_link([ModelServer], strategy: :one_for_one)
flats = [{50, 2}, {100, 4}]

{:ok, rents} = ModelServer.predict(flats)
IO.puts("rents: #{inspect(rents)}")

{:error, error} = ModelServer.predict([{50}])
IO.puts("a flat without rooms: #{error.type}: #{error.message}")

# What a bug in a C extension may do: read memory at address 0.
server = Process.whereis(ModelServer)
{:error, crash} = ModelServer.call("ctypes.string_at", [0])
IO.puts("a crash: #{crash.message}")

ModelServer.await_next(server)
{:ok, ^rents} = ModelServer.predict(flats)
IO.puts("the next server has the same rents: #{inspect(rents)}")

:ok = Supervisor.stop(supervisor)
IO.puts("stopped")
