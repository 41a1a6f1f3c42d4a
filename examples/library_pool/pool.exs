# A pool of sessions: poolboy's workers are the library's sessions themselves.

unless Code.ensure_loaded?(:poolboy) do
  IO.puts(:stderr, """
  This example needs poolboy on the code path: install the package erlang-poolboy (Debian, Fedora),
  or put {:poolboy, "~> 1.5"} among the deps of an application.
  """)

  System.halt(1)
end

defmodule Pool do
  @moduledoc "Python for many callers: each has a session to itself while its function runs."

  @init """
  import os, signal, time

  def slow_pid():
      time.sleep(0.2)
      return os.getpid()
  """

  def child_spec(_options) do
    options = [name: {:local, __MODULE__}, worker_module: PythonxPort, size: 2, max_overflow: 0]
    :poolboy.child_spec(__MODULE__, options, init: @init)
  end

  @doc "Lends a session to `function`, and returns what that returns."
  def with_session(function) do
    session = :poolboy.checkout(__MODULE__, true, :infinity)

    try do
      function.(session)
    after
      # A session that has crashed is not handed back: the pool, linked to it, puts another in its place.
      with {:ok, _info} <- PythonxPort.info(session), do: :poolboy.checkin(__MODULE__, session)
    end
  end
end

defmodule Demo do
  def run do
    {:ok, _supervisor} = Supervisor.start_link([Pool], strategy: :one_for_one)
    before = os_pids()
    IO.puts("two sessions, two processes: #{inspect(before)}")

    {:ok, sum} = eval("sum(x * x for x in numbers)", bindings: [numbers: [1, 2, 3, 4]])
    IO.puts("a value: #{sum}")

    {:error, exception} = eval("{}['key']")
    IO.puts("an exception: #{exception.type}: #{exception.message}")

    {:error, crash} = eval("os.kill(os.getpid(), signal.SIGKILL)")
    IO.puts("a killed process: #{crash.kind}, #{crash.signal}, exit status #{crash.exit_status}")

    now = os_pids()
    IO.puts("two sessions again: #{inspect(now)}, #{length(now -- before)} of them new")
  end

  defp eval(code, options \\ []), do: Pool.with_session(&PythonxPort.eval(&1, code, options))

  # Two at once: neither session can serve both.
  defp os_pids do
    tasks = for _ <- 1..2, do: Task.async(fn -> Pool.with_session(&PythonxPort.call(&1, "slow_pid", [])) end)
    Enum.sort(for {:ok, os_pid} <- Task.await_many(tasks), do: os_pid)
  end
end

# The process that is killed below is no news for the log.
Logger.configure(level: :none)
Demo.run()
