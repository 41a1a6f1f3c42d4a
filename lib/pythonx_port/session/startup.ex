defmodule PythonxPort.Session.Startup do
  @moduledoc false
  # Brings a session to readiness, as functions of its state: chooses the interpreter, starts Python, waits for the
  # ready event, runs the init code. Requests are queued meanwhile; only those of functions that the init code calls,
  # and `info`, go to Python.

  alias PythonxPort.{Arguments, Code, Error, PortProgram, Protocol, SharedMemory, Telemetry}
  alias PythonxPort.Session.{Dispatch, Options, PortWriter, State}

  @protocol 1

  # `report` is how the start ends: see `t:PythonxPort.Session.Starter.start/0`. `init` is the code that has not run
  # yet. `ready?` says whether the ready event has come. `chooser` is the process that chooses the interpreter.
  @enforce_keys [:report]
  defstruct [:report, :chooser, :timer, init: [], number: 0, ready?: false]

  @type report :: :exit | :return | {:message, pid(), reference()}
  @type t :: %__MODULE__{
          report: report(),
          chooser: pid() | nil,
          timer: reference() | nil,
          init: [String.t() | Code.t()],
          number: non_neg_integer(),
          ready?: boolean()
        }

  @typedoc "The state as it is then; it has no `startup` any more when the session is ready."
  @type result :: {:ok, State.t()} | {:error, Error.t(), State.t()}

  @doc """
  Chooses the interpreter, in a process of its own: it may have to create an environment. The calling process, the
  session, gets `{:interpreter_chosen, result}` for `open/2`.
  """
  @spec choose_interpreter(State.t()) :: State.t()
  def choose_interpreter(state) do
    session = self()

    chooser = spawn_link(fn -> send(session, {:interpreter_chosen, Options.with_python(state.options)}) end)

    %{state | startup: %{state.startup | chooser: chooser}}
  end

  @doc "Ends the choice of an interpreter, with the session."
  @spec give_up(State.t()) :: :ok
  def give_up(%{startup: %{chooser: chooser}}) when is_pid(chooser) do
    Process.exit(chooser, :kill)
    :ok
  end

  def give_up(_state), do: :ok

  @doc "Starts Python."
  @spec open(State.t(), {:ok, Options.t()} | {:error, Error.t()}) :: result()
  def open(state, chosen) do
    with {:ok, options} <- chosen, {:ok, port} <- PortProgram.open(options, state.crash_file) do
      counter = PortProgram.OomCounter.new(PortProgram.os_pid(port))
      startup = %{state.startup | chooser: nil, init: options.init, timer: start_timer(options.init_timeout)}
      state = %{state | options: options, oom_counter: counter, startup: startup}
      {:ok, State.open(state, PortWriter.new(port))}
    else
      {:error, error} -> {:error, error, state}
    end
  end

  defp start_timer(:infinity), do: nil
  defp start_timer(timeout), do: Process.send_after(self(), :init_timed_out, timeout)

  @doc "Handles what Python sends first, apart from output."
  @spec ready(State.t(), term()) :: result()
  def ready(state, {:event, {:ready, %{protocol: @protocol} = ready}}) do
    # A wrapper of the port program may have put it into another cgroup meanwhile.
    counter = PortProgram.OomCounter.new(ready.os_pid) || state.oom_counter
    leases = SharedMemory.Leases.new(ready.os_pid, :segment_files in ready.features)
    upload = SharedMemory.Upload.new(leases.directory, state.options.segment_limit)
    startup = %{state.startup | ready?: true}
    run_init(%{state | oom_counter: counter, leases: leases, upload: upload, startup: startup})
  end

  def ready(state, {:event, {:ready, ready}}) do
    failed(state, "the port program is of another version than this library: #{Arguments.show(ready)}")
  end

  def ready(state, other) do
    failed(state, "the program started is no port program: it sent #{Arguments.show(other)}")
  end

  defp failed(state, message), do: {:error, %Error{kind: :start_failed, message: message}, state}

  defp run_init(%{startup: %{init: []}} = state), do: {:ok, finish(state)}

  defp run_init(%{startup: %{init: [code | rest], number: number} = startup} = state) do
    id = State.free_id(state)
    {source, place} = Code.split(code)
    body = Protocol.body([source, Map.merge(%{file: "<init #{number + 1}>"}, Map.new(place))])
    state = %{state | startup: %{startup | init: rest, number: number + 1}}
    {:ok, state |> State.add(id, :init) |> State.write(Protocol.request(:exec, id, body))}
  end

  @doc "Handles the reply to init code."
  @spec init_done(State.t(), binary()) :: result()
  def init_done(state, frame) do
    case Protocol.result(frame) do
      {:ok, _value} -> run_init(state)
      {:error, error} -> {:error, error, state}
    end
  end

  defp finish(%{startup: startup} = state) do
    if startup.timer, do: Process.cancel_timer(startup.timer)
    # Before its owner gets to know of it. One that does not wait was linked at the beginning.
    if startup.report != :exit, do: State.link_owner(state)
    port = state.port_writer.port
    Telemetry.session_ready(State.telemetry(state), fn -> PortProgram.memory(port) end)
    with {:message, starter, started} <- startup.report, do: send(starter, {started, :ok})
    Dispatch.resume(%{state | startup: nil})
  end

  @doc "Returns the error for a start that took too long."
  @spec timed_out(State.t()) :: Error.t()
  def timed_out(state) do
    # A program that has not become ready may not read its input, which would end it.
    PortProgram.kill(state.port_writer.port)
    message = "the session was not ready within #{state.options.init_timeout} ms (option :init_timeout)"
    %Error{kind: :timeout, message: message}
  end

  @doc "Returns the error for a Python process that has ended before the session was ready."
  @spec ended(State.t(), PortProgram.Exit.exit()) :: Error.t()
  def ended(%{startup: %{ready?: false}} = state, exit) do
    PortProgram.ended_early(state.options, exit, state.oom_counter)
  end

  def ended(state, exit), do: PortProgram.Exit.error(exit, {state.crash_file, state.oom_counter})
end
