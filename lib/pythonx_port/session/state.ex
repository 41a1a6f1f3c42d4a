defmodule PythonxPort.Session.State do
  @moduledoc false
  # The state of a session's process, and the steps that its parts share: they number requests, keep and take them,
  # write frames, and give segments back.

  alias PythonxPort.{Callback, PortProgram, Protocol, Request, SharedMemory}
  alias PythonxPort.Session.{Objects, Options, PortWriter, SendQueue}

  # Inspect shows what a reader of a crash report wants to know: see summary/1.
  @derive {Inspect, only: [:last_id, :stopping]}
  @enforce_keys [:options, :owner, :crash_file]
  defstruct @enforce_keys ++
              [
                :port_writer,
                :oom_counter,
                :leases,
                :callbacks,
                :upload,
                send_queue: SendQueue.new(),
                objects: %Objects{},
                pending: %{},
                ids: %{},
                last_id: 0,
                stopping: false,
                grace_expired: []
              ]

  @typedoc """
  What is under way: a request, a binary that is to be written into a segment that Python was asked for, or a caller's
  request for bytes of a segment.
  """
  @type pending :: Request.t() | {:upload, GenServer.from(), binary()} | {:fetch, GenServer.from()}

  @typedoc """
  `owner` is the monitor of the process that the session ends with, if it has one. `pending` has by its id what is
  under way, and `ids` the ids of requests by their tokens. `grace_expired` are the requests that Python was killed
  for. From `port_writer` on, the fields are set when Python is ready.
  """
  @type t :: %__MODULE__{
          options: Options.t(),
          owner: reference() | nil,
          crash_file: Path.t() | nil,
          port_writer: PortWriter.t() | nil,
          oom_counter: PortProgram.OomCounter.t() | nil,
          leases: SharedMemory.Leases.t() | nil,
          callbacks: Callback.Table.t() | nil,
          upload: SharedMemory.Upload.t() | nil,
          send_queue: SendQueue.t(),
          objects: Objects.t(),
          pending: %{Protocol.id() => pending()},
          ids: %{Request.token() => Protocol.id()},
          last_id: Protocol.id(),
          stopping: boolean(),
          grace_expired: [Request.t()]
        }

  @doc "Writes a frame to Python."
  @spec write(t(), iodata()) :: t()
  def write(state, frame), do: %{state | port_writer: PortWriter.write(state.port_writer, frame)}

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

  @doc "Removes what is under way with this id; returns nil if there is nothing."
  @spec take(t(), Protocol.id()) :: {pending() | nil, t()}
  def take(state, id) do
    case Map.pop(state.pending, id) do
      {%Request{token: token} = request, pending} ->
        {request, %{state | pending: pending, ids: Map.delete(state.ids, token)}}

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
      ready: state.port_writer != nil,
      stopping: state.stopping,
      under_way: map_size(state.pending),
      queued: map_size(state.send_queue.frames),
      callbacks: if(state.callbacks, do: map_size(state.callbacks.running), else: 0)
    }
  end
end
