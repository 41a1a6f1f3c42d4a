defmodule PythonxPort.Session.Starter do
  @moduledoc false
  # Starts the processes of sessions: linked to the calling process, or under the application's supervisor.

  alias PythonxPort.{Error, Session}
  alias PythonxPort.Session.Options

  @typedoc "How a session starts; `started` is a reference for the message that says what its start came to."
  @type start ::
          {:linked, starter :: pid()}
          | {:supervised, owner :: pid() | nil, starter :: pid(), started :: reference()}

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

  @doc "Starts a session under the application's supervisor; it ends with its owner, if it has one."
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

  @doc "Starts the process; called by supervisors."
  @spec start_process(Options.t(), start()) :: GenServer.on_start()
  def start_process(%Options{name: nil} = options, start) do
    GenServer.start_link(Session, {options, start})
  end

  def start_process(%Options{name: name} = options, start) do
    GenServer.start_link(Session, {options, start}, name: name)
  end

  # A supervised session starts up after init/1, so that its supervisor can start others meanwhile. It sends a message
  # about its start, since it may have ended before this process could monitor it.
  defp await_started(pid, started) do
    monitor = Process.monitor(pid)

    receive do
      {^started, :ok} ->
        Process.demonitor(monitor, [:flush])
        {:ok, pid}

      {^started, {:error, error}} ->
        # Its name is free when it has ended.
        receive do
          {:DOWN, ^monitor, :process, ^pid, _reason} -> {:error, error}
        end

      {:DOWN, ^monitor, :process, ^pid, reason} ->
        {:error, Error.session_ended(reason)}
    end
  end
end
