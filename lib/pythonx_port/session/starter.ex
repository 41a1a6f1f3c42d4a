defmodule PythonxPort.Session.Starter do
  @moduledoc false
  # Starts the processes of sessions: linked to the calling process, or under the application's supervisor.

  alias PythonxPort.{Error, Session}
  alias PythonxPort.Session.Options

  @typedoc """
  How a session starts. `report` says how its starter learns what the start came to: as the result of starting the
  process, by a message, or, if the starter does not wait, by nothing but the exit of a session that has failed.
  """
  @type start :: %{starter: pid(), owner: pid() | nil, link: boolean(), report: report()}

  @type report :: :return | {:message, starter :: pid(), started :: reference()} | :exit

  @typedoc "A session, or why there is none."
  @type result :: {:ok, pid()} | {:error, Error.t() | {:already_started, pid()}}

  @doc "As `PythonxPort.start_link/1`."
  @spec start_link(keyword()) :: result()
  def start_link(options) do
    with {:ok, %Options{link: true} = options} <- prepare(options) do
      start = %{starter: self(), owner: nil, link: false, report: report(options, :return)}

      case start_process(options, start) do
        {:error, {:shutdown, %Error{} = error}} -> {:error, error}
        result -> result
      end
    else
      {:ok, _options} ->
        raise ArgumentError, "option :link is one of start_session/1: start_link/1 always links"

      error ->
        error
    end
  end

  @doc """
  Starts a session under the application's supervisor. It ends with its owner, if it has one; with `link` the owner
  ends with the session as well, unless the options say otherwise.
  """
  @spec start_supervised(keyword(), pid() | nil, boolean()) :: result()
  def start_supervised(options, owner, link) do
    started = make_ref()

    with {:ok, options} <- prepare(options),
         report = report(options, {:message, self(), started}),
         start = %{starter: self(), owner: owner, link: link and options.link, report: report},
         {:ok, pid} <- start_child(options, start) do
      if report == :exit, do: {:ok, pid}, else: await_started(pid, started)
    end
  end

  # A session that starts asynchronously chooses its interpreter itself, which may have to be installed.
  defp prepare(options) do
    case Options.new(options) do
      %{start: :async} = options -> {:ok, options}
      options -> Options.with_python(options)
    end
  end

  defp report(%{start: :async}, _report), do: :exit
  defp report(_options, report), do: report

  defp start_child(options, start) do
    child = %{id: Session, start: {__MODULE__, :start_process, [options, start]}, restart: :temporary}
    DynamicSupervisor.start_child(PythonxPort.SessionSupervisor, child)
  catch
    # The application is not started, or stops.
    :exit, {reason, {GenServer, :call, _call}} when reason in [:noproc, :normal, :shutdown] ->
      {:error, Error.application_stopped()}
  end

  # With the usual heap, a session would collect its garbage at each request. In words.
  @spawn_opt [min_heap_size: 4_096]

  @doc "Starts the process; called by supervisors."
  @spec start_process(Options.t(), start()) :: GenServer.on_start()
  def start_process(%Options{name: nil} = options, start) do
    GenServer.start_link(Session, {options, start}, spawn_opt: @spawn_opt)
  end

  def start_process(%Options{name: name} = options, start) do
    GenServer.start_link(Session, {options, start}, name: name, spawn_opt: @spawn_opt)
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
