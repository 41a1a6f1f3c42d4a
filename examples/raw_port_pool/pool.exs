# A pool of Python processes over nothing but Port.open, the external term format and poolboy.

unless Code.ensure_loaded?(:poolboy) do
  IO.puts(:stderr, """
  This example needs poolboy on the code path: install the package erlang-poolboy (Debian, Fedora),
  or put {:poolboy, "~> 1.5"} among the deps of an application.
  """)

  System.halt(1)
end

defmodule Worker do
  @moduledoc "Owns one Python process, and ends with it."
  use GenServer

  @start_timeout 10_000

  def start_link(executable), do: GenServer.start_link(__MODULE__, executable)

  # Returns when Python is ready, so that the pool never lends a worker that is not.
  @impl true
  def init(executable) do
    port = Port.open({:spawn_executable, executable}, [:binary, :exit_status, packet: 4])

    receive do
      {^port, {:data, frame}} ->
        {:ready, %{protocol: 1}} = :erlang.binary_to_term(frame)
        {:ok, %{port: port, caller: nil}}

      {^port, {:exit_status, status}} ->
        {:stop, {:exit_status, status}}
    after
      @start_timeout -> {:stop, :timeout}
    end
  end

  # The pool lends a worker to one caller at a time: with one request under way, any id works.
  @impl true
  def handle_call({:eval, code, bindings}, caller, %{caller: nil} = state) do
    request = {:eval, 1, code, %{bindings: bindings}}
    Port.command(state.port, :erlang.term_to_binary(request))
    {:noreply, %{state | caller: caller}}
  end

  @impl true
  def handle_info({port, {:data, frame}}, %{port: port} = state) do
    {:noreply, handle_term(:erlang.binary_to_term(frame), state)}
  end

  # The caller, if there is one, is not answered: it sees this process end, and why.
  def handle_info({port, {:exit_status, status}}, %{port: port} = state) do
    {:stop, {:shutdown, {:exit_status, status}}, state}
  end

  defp handle_term({:ok, 1, value}, state), do: answer(state, {:ok, value})
  defp handle_term({:error, 1, error}, state), do: answer(state, {:error, error})

  defp handle_term({:output, _id, _stream, text}, state) do
    IO.write(text)
    state
  end

  defp handle_term(_other_event, state), do: state

  defp answer(state, result) do
    GenServer.reply(state.caller, result)
    %{state | caller: nil}
  end
end

defmodule Pool do
  @moduledoc "Python for many callers: each has a worker to itself while its code runs."

  def child_spec(executable) do
    options = [name: {:local, __MODULE__}, worker_module: Worker, size: 2, max_overflow: 0]
    :poolboy.child_spec(__MODULE__, options, executable)
  end

  @doc "The value of `code`, or one error: a map from Python, or the reason that its worker ended with."
  def eval(code, bindings \\ %{}) do
    worker = :poolboy.checkout(__MODULE__, true, :infinity)
    result = GenServer.call(worker, {:eval, code, bindings}, :infinity)
    :poolboy.checkin(__MODULE__, worker)
    result
  catch
    # A worker that has ended is not checked in: the pool, linked to it, puts another in its place.
    :exit, {reason, _call} -> {:error, reason}
  end
end

defmodule Demo do
  @slow_pid """
  import os, time
  time.sleep(0.2)
  os.getpid()
  """

  @kill """
  import os, signal
  os.kill(os.getpid(), signal.SIGKILL)
  """

  def run do
    {:ok, _supervisor} = Supervisor.start_link([{Pool, executable()}], strategy: :one_for_one)
    before = os_pids()
    IO.puts("two workers, two processes: #{inspect(before)}")

    {:ok, sum} = Pool.eval("sum(x * x for x in numbers)", %{numbers: [1, 2, 3, 4]})
    IO.puts("a value: #{sum}")

    {:error, %{type: type, message: message}} = Pool.eval("{}['key']")
    IO.puts("an exception: #{type}: #{message}")

    {:error, {:shutdown, {:exit_status, status}}} = Pool.eval(@kill)
    IO.puts("a killed process: exit status #{status}")

    now = os_pids()
    IO.puts("two workers again: #{inspect(now)}, #{length(now -- before)} of them new")
  end

  # Two at once: neither worker can serve both.
  defp os_pids do
    tasks = for _ <- 1..2, do: Task.async(fn -> Pool.eval(@slow_pid) end)
    Enum.sort(for {:ok, os_pid} <- Task.await_many(tasks), do: os_pid)
  end

  defp executable do
    built = Path.expand("../../build/pythonx_port", __DIR__)

    System.get_env("PYTHONX_PORT") || (File.exists?(built) && built) || System.find_executable("pythonx_port") ||
      raise "pythonx_port was not found: run `make`, or set PYTHONX_PORT to its path"
  end
end

Demo.run()
