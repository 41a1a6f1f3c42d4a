defmodule PythonxPort.Session.Starter do
  @moduledoc false
  # Starts the processes of sessions, in the process that wants one: linked to it, or under the application's
  # supervisor.

  alias PythonxPort.{Client, Error, Session}
  alias PythonxPort.Session.Options

  @doc "As `PythonxPort.start_link/1`."
  @spec start_link(keyword()) :: {:ok, pid()} | {:error, Error.t() | {:already_started, pid()}}
  def start_link(options) do
    with {:ok, options} <- options |> Options.new() |> Options.with_python() do
      case start_process(options, {:linked, self()}) do
        {:error, {:shutdown, %Error{} = error}} -> {:error, error}
        result -> result
      end
    end
  end

  @doc "Starts a session under the application's supervisor; it ends with its owner, where it has one."
  @spec start_supervised(keyword(), pid() | nil) ::
          {:ok, pid()} | {:error, Error.t() | {:already_started, pid()}}
  def start_supervised(options, owner) do
    started = make_ref()
    start = {:supervised, owner, self(), started}

    with {:ok, options} <- options |> Options.new() |> Options.with_python(),
         child = %{
           id: Session,
           start: {__MODULE__, :start_process, [options, start]},
           restart: :temporary
         },
         {:ok, pid} <- DynamicSupervisor.start_child(PythonxPort.SessionSupervisor, child) do
      await_started(pid, started)
    end
  end

  @doc "What a supervisor calls."
  @spec start_process(Options.t(), tuple()) :: GenServer.on_start()
  def start_process(%Options{name: nil} = options, start) do
    GenServer.start_link(Session, {options, start})
  end

  def start_process(%Options{name: name} = options, start) do
    GenServer.start_link(Session, {options, start}, name: name)
  end

  # A supervised session starts up after init/1, for its supervisor has others to start meanwhile. What its start
  # came to is told by a message, since the session may be gone before it could be asked or monitored.
  defp await_started(pid, started) do
    monitor = Process.monitor(pid)

    receive do
      {^started, :ok} ->
        Process.demonitor(monitor, [:flush])
        {:ok, pid}

      {^started, {:error, error}} ->
        # Until it has ended, its name is not free.
        receive do
          {:DOWN, ^monitor, :process, ^pid, _reason} -> {:error, error}
        end

      {:DOWN, ^monitor, :process, ^pid, reason} ->
        {:error, Client.session_ended(reason)}
    end
  end
end
