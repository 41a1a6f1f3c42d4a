defmodule PythonxPort.Session.State do
  @moduledoc false
  # The state of a session's process, and the steps that its parts share: they number requests, keep and take them,
  # write frames, and give segments back.

  alias PythonxPort.{Callback, PortProgram, Protocol, Request, SharedMemory, Telemetry}
  alias PythonxPort.Session.{Objects, Options, PortWriter, QueueLimit, SendQueue}

  # Inspect shows what a reader of a crash report wants to know: see summary/1.
  @derive {Inspect, only: [:last_id, :stopping]}
  @enforce_keys [:options, :owner, :crash_file, :callbacks]
  defstruct @enforce_keys ++
              [
                :startup,
                :started_at,
                :final_memory,
                :queue_limit,
                :port_writer,
                :oom_counter,
                :upload,
                leases: %SharedMemory.Leases{},
                send_queue: SendQueue.new(),
                objects: %Objects{},
                pending: %{},
                ids: %{},
                last_id: 0,
                stopping: false,
                grace_expired: [],
                deferred: []
              ]

  @typedoc """
  What is under way: a request, a binary that is to be written into a segment that Python was asked for, a caller's
  request for bytes of a segment, or a request of the session's own.
  """
  @type pending ::
          Request.t()
          | {:upload, GenServer.from(), binary()}
          | {:fetch, GenServer.from()}
          | :init
          | :queue_report

  @typedoc "The process that the session ends with, its monitor, and whether it ends with the session."
  @type owner :: {pid(), reference(), link :: boolean()}

  @typedoc """
  `pending` has by its id what is under way, and `ids` the ids of requests by their tokens. `grace_expired` are the
  requests that Python was killed for. `startup` is nil when the session is ready. `port_writer` and `oom_counter` are
  set when Python has been started, `upload` when it is ready; `deferred` are the frames written before it was started,
  the last first. `final_memory` is what Python had when it was about to be ended, for telemetry.
  """
  @type t :: %__MODULE__{
          options: Options.t(),
          owner: owner() | nil,
          crash_file: Path.t() | nil,
          startup: struct() | nil,
          started_at: integer() | nil,
          final_memory: non_neg_integer() | nil,
          queue_limit: QueueLimit.t() | nil,
          port_writer: PortWriter.t() | nil,
          oom_counter: PortProgram.OomCounter.t() | nil,
          leases: SharedMemory.Leases.t(),
          callbacks: Callback.Table.t(),
          upload: SharedMemory.Upload.t() | nil,
          send_queue: SendQueue.t(),
          objects: Objects.t(),
          pending: %{Protocol.id() => pending()},
          ids: %{Request.token() => Protocol.id()},
          last_id: Protocol.id(),
          stopping: boolean(),
          grace_expired: [Request.t()],
          deferred: [iodata()]
        }

  @doc "Returns the state of a session that has not been started, and ends with its owner."
  @spec new(Options.t(), pid() | nil, boolean()) :: t()
  def new(options, owner, link) do
    %__MODULE__{
      options: options,
      owner: owner && {owner, Process.monitor(owner), link},
      crash_file: PortProgram.CrashFiles.new(),
      callbacks: Callback.Table.new(options.allow, options.max_frame),
      queue_limit: QueueLimit.new(options.max_queue),
      send_queue: SendQueue.hold(SendQueue.new(), :all),
      started_at: System.monotonic_time()
    }
  end

  @doc "Links the session to its owner, unless that does not want it."
  @spec link_owner(t()) :: :ok
  def link_owner(%{owner: {owner, _monitor, true}}) do
    Process.link(owner)
    :ok
  end

  def link_owner(_state), do: :ok

  @doc "Returns what telemetry needs to know of a session."
  @spec telemetry(t()) :: Telemetry.session()
  def telemetry(state) do
    %{
      name: state.options.name,
      python: state.options.python,
      started_at: state.started_at,
      memory: state.final_memory
    }
  end

  @doc "Notes how much memory Python has, if telemetry wants it: Python is about to be ended."
  @spec measure_memory(t()) :: t()
  def measure_memory(%{port_writer: %{port: port}} = state) do
    if Telemetry.enabled?(), do: %{state | final_memory: PortProgram.memory(port)}, else: state
  end

  def measure_memory(state), do: state

  @doc "Writes a frame to Python, as soon as it has been started."
  @spec write(t(), iodata()) :: t()
  def write(%{port_writer: nil} = state, frame), do: %{state | deferred: [frame | state.deferred]}
  def write(state, frame), do: %{state | port_writer: PortWriter.write(state.port_writer, frame)}

  @doc "Python has been started: sets what writes to it."
  @spec open(t(), PortWriter.t()) :: t()
  def open(%{deferred: frames} = state, port_writer) do
    List.foldr(frames, %{state | port_writer: port_writer, deferred: []}, &write(&2, &1))
  end

  @doc "Returns an id that nothing under way has."
  @spec free_id(t()) :: Protocol.id()
  def free_id(state), do: free_id(state.last_id, state.pending)

  defp free_id(last_id, pending) do
    id = if last_id == Protocol.max_id(), do: 0, else: last_id + 1
    if Map.has_key?(pending, id), do: free_id(id, pending), else: id
  end

  @doc "Adds what gets a new id."
  @spec add(t(), Protocol.id(), pending()) :: t()
  def add(state, id, %Request{token: token} = request) when token != nil do
    put_request(%{state | last_id: id, ids: Map.put(state.ids, token, id)}, id, request)
  end

  def add(state, id, pending) do
    %{state | last_id: id, pending: Map.put(state.pending, id, pending)}
  end

  @doc "Keeps a request as it is now."
  @spec put_request(t(), Protocol.id(), Request.t()) :: t()
  def put_request(state, id, request), do: %{state | pending: Map.put(state.pending, id, request)}

  @doc "Returns the request with this id; nil if there is none. Init code belongs to no request."
  @spec request(t(), Protocol.id() | nil) :: Request.t() | nil
  def request(state, id) do
    with :init <- state.pending[id], do: nil
  end

  @doc "Removes what is under way with this id; returns nil if there is nothing."
  @spec take(t(), Protocol.id()) :: {pending() | nil, t()}
  def take(state, id) do
    case Map.pop(state.pending, id) do
      {%Request{token: token} = request, pending} ->
        limit = QueueLimit.remove(state.queue_limit, id)
        {request, %{state | pending: pending, ids: Map.delete(state.ids, token), queue_limit: limit}}

      {other, pending} ->
        {other, %{state | pending: pending}}
    end
  end

  @doc "Calls a function with the id of the request with this token; returns the state as it is if there is none."
  @spec with_id(t(), Request.token(), (Protocol.id() -> t())) :: t()
  def with_id(state, token, function) do
    case state.ids do
      %{^token => id} -> function.(id)
      _done -> state
    end
  end

  @doc "Leases segments to a process, for the result of the request with this token if there is one."
  @spec lease(t(), pid(), Request.segments(), Request.token() | nil) :: t()
  def lease(state, pid, segments, token) do
    %{state | leases: SharedMemory.Leases.add(state.leases, pid, segments, token)}
  end

  @doc "Gives segments back to Python."
  @spec give_back(t(), Request.segments()) :: t()
  def give_back(state, []), do: state

  def give_back(state, segments) do
    write(
      %{state | leases: SharedMemory.Leases.drop(state.leases, segments)},
      Protocol.give_back(segments)
    )
  end

  @doc "Returns what a crash report shows instead of the state."
  @spec summary(t()) :: map()
  def summary(state) do
    %{
      name: state.options.name,
      python: state.options.python,
      ready: state.startup == nil,
      stopping: state.stopping,
      under_way: map_size(state.pending),
      queued: map_size(state.send_queue.frames),
      callbacks: map_size(state.callbacks.running)
    }
  end
end
