defmodule PythonxPort.Request do
  @moduledoc false
  # A request under way, apart from its bytes: who gets the reply, where its output goes, how long it may take. The
  # caller creates it; the session keeps it until the reply, and watches the clock.
  #
  # A request may have a time to end in, its option `timeout`, which Python watches, too. When that time is over, or
  # when the request is cancelled, Python has `grace` milliseconds to reply. Then the session kills the process.

  alias PythonxPort.{Error, Object, Output, Protocol, Results, Telemetry}

  # If the session does not answer, its callers wait this much longer than the session would, in milliseconds.
  @clock_slack 100
  # The same after the session has announced that it ends the request: a process needs that long to die at most.
  @long_clock_slack 5_000
  # Items of a stream that are granted before it is known how large they are.
  @first_demand 16

  defstruct [
    # Set by the caller. `leader`, `callers` and `log_metadata` are for what runs here on behalf of the caller.
    :operation,
    :output,
    :timeout,
    :grace,
    :leader,
    :log_metadata,
    :created_at,
    :demand,
    :return,
    :target,
    # Whether the caller takes one message alone, the result: it does not want to know before that the time is over.
    task: false,
    callers: [],
    segments: [],
    bulk_bytes: 0,
    results: nil,
    # Set by the session.
    from: nil,
    token: nil,
    monitor: nil,
    timer: nil,
    end_reason: nil,
    # Set if the request takes room in Python: its size, and whether it was queued here before.
    size: nil,
    delayed: false,
    # Set if the consumer of a stream needs no more of it.
    closed: false,
    telemetry: nil
  ]

  @typedoc "Names a request; the caller has it, too."
  @type token :: reference()

  @typedoc "Numbers of segments of shared memory."
  @type segments :: [pos_integer()]

  @typedoc "Why a request is to end before it is done."
  @type end_reason :: :cancelled | :timeout

  @type t :: %__MODULE__{
          operation: Protocol.operation(),
          output: Output.target(),
          timeout: timeout() | nil,
          grace: timeout() | nil,
          leader: pid() | nil,
          log_metadata: map() | :undefined | nil,
          created_at: integer() | nil,
          demand: pos_integer() | nil,
          return: :value | :ref | nil,
          target: String.t() | nil,
          task: boolean(),
          callers: [pid()],
          segments: segments(),
          bulk_bytes: non_neg_integer(),
          results: Results.t(),
          from: {pid(), term()} | nil,
          token: token() | nil,
          monitor: reference() | nil,
          timer: reference() | nil,
          end_reason: end_reason() | nil,
          size: non_neg_integer() | nil,
          delayed: boolean(),
          closed: boolean(),
          telemetry: Telemetry.t()
        }

  @typedoc """
  What a session sends to the caller of a request. Items, and the news that the time is over, may come first; each
  other message is the last one. The value of a `:shared` message is in segments, whose files are in the given
  directory, if there is one. If options say what to do with results, these stand around the last message; for a stream
  they come first, around no message.
  """
  @type message ::
          {:results, Results.t()}
          | {:items, frame :: binary()}
          | {:shared_items, frame :: binary(), directory :: Path.t() | nil, segments()}
          | {:timed_out, grace :: timeout()}
          | {:frame, binary()}
          | {:object, Object.t()}
          | {:shared, frame :: binary(), directory :: Path.t() | nil, segments()}
          | {:error, Error.t()}
          | {:results, Results.t(), message()}

  @doc "Returns by how many milliseconds the clocks of a caller and a session may differ."
  @spec clock_slack() :: pos_integer()
  def clock_slack, do: @clock_slack

  @doc "Returns how long the caller waits for the reply after the session has said that the time is over."
  @spec reply_timeout(timeout()) :: pos_integer()
  def reply_timeout(:infinity), do: @clock_slack
  def reply_timeout(grace), do: grace + @long_clock_slack

  @doc "Returns how many items a stream with this demand is granted before the first one has come."
  @spec first_demand(pos_integer()) :: pos_integer()
  def first_demand(demand), do: min(demand, @first_demand)

  @doc "Creates a request; must be called by the process that makes it."
  @spec new(Protocol.operation(), keyword()) :: t()
  def new(operation, options) do
    %__MODULE__{
      operation: operation,
      output: Output.target(options[:output]),
      timeout: options[:timeout],
      created_at: now(),
      grace: options[:grace],
      return: options[:return],
      results: Results.new(options),
      task: Keyword.get(options, :task, false),
      demand: options[:demand] && first_demand(options[:demand]),
      target: if(is_binary(options[:target]) and Telemetry.enabled?(), do: options[:target]),
      leader: Process.group_leader(),
      callers: Process.get(:"$callers", []),
      log_metadata: :logger.get_process_metadata()
    }
  end

  defp now, do: System.monotonic_time(:millisecond)

  @doc "Returns the processes that a request is made for: the caller, and those that it works for."
  @spec callers(t(), GenServer.from()) :: [pid()]
  def callers(%__MODULE__{callers: callers}, {pid, _tag}), do: [pid | callers]

  @doc """
  Begins a request that the session is about to send. Returns `:abandoned` if its caller does not wait any more.

  The session gets `{{:caller, id}, monitor, :process, pid, reason}` if the caller dies, and `{:timed_out, id, token}`
  if the time is over.
  """
  @spec open(t(), GenServer.from(), non_neg_integer(), timeout()) :: {:ok, t()} | :abandoned
  def open(%__MODULE__{} = request, {pid, [:alias | token]} = from, id, default_grace) do
    if abandoned?(request, pid) do
      :abandoned
    else
      monitor = :erlang.monitor(:process, pid, tag: {:caller, id})
      timer = start_timer(request.timeout, {:timed_out, id, token})
      grace = request.grace || default_grace
      {:ok, %{request | from: from, token: token, grace: grace, monitor: monitor, timer: timer}}
    end
  end

  # A dead caller is reported by the monitor. Process.alive?/1 may take longer than a request, since it waits for what
  # the process does: only callers of requests that arrive late are looked at. Another node has another clock.
  defp abandoned?(%{created_at: created_at, timeout: timeout}, pid) when node(pid) == node() do
    waited = now() - created_at

    waited > @clock_slack and
      ((is_integer(timeout) and waited > timeout + @clock_slack) or not Process.alive?(pid))
  end

  defp abandoned?(_request, _pid), do: false

  @doc "Ends a request that has its reply: it is not watched any more."
  @spec close(t()) :: t()
  def close(%__MODULE__{} = request) do
    if request.monitor, do: Process.demonitor(request.monitor, [:flush])
    stop_timer(request.timer)
    %{request | monitor: nil, timer: nil}
  end

  @doc """
  Returns what the caller gets for a reply. Python counts the time of a request from when it has read it: one that it
  got late ends by a cancel of the session, which is a timeout to the caller.
  """
  @spec answer(t(), binary()) :: message()
  def answer(%__MODULE__{delayed: true, end_reason: :timeout} = request, frame) do
    if Protocol.error?(frame),
      do: {:error, Error.timed_out(request.timeout)},
      else: Results.wrap({:frame, frame}, results(request))
  end

  def answer(request, frame), do: Results.wrap({:frame, frame}, results(request))

  @doc "Returns the options for the value of the reply; a stream's items have them, its reply has no value."
  @spec results(t()) :: Results.t()
  def results(%__MODULE__{operation: :stream}), do: nil
  def results(request), do: request.results

  @doc "Marks a request whose caller does not wait any more."
  @spec abandon(t()) :: t()
  def abandon(%__MODULE__{} = request) do
    if request.monitor, do: Process.demonitor(request.monitor, [:flush])
    %{request | from: nil, monitor: nil}
  end

  @doc """
  Starts the grace of a request that is to end. The session gets `{:grace_expired, id, token}` if it has not ended by
  then. A second reason to end gives no more time.
  """
  @spec grant_grace(t(), non_neg_integer(), end_reason()) :: t()
  def grant_grace(%__MODULE__{end_reason: nil} = request, id, reason) do
    stop_timer(request.timer)
    timer = start_timer(request.grace, {:grace_expired, id, request.token})
    %{request | end_reason: reason, timer: timer}
  end

  def grant_grace(request, _id, _reason), do: request

  @doc "Returns as text why the process was killed for a request."
  @spec describe_expired_grace(t()) :: String.t()
  def describe_expired_grace(%__MODULE__{end_reason: :cancelled} = request) do
    "a request did not end within #{request.grace} ms after it was cancelled (option :grace)"
  end

  def describe_expired_grace(%__MODULE__{end_reason: :timeout} = request) do
    "a request did not end within #{request.grace} ms after its timeout of #{request.timeout} ms (option :grace)"
  end

  @doc "Reports the start of a request of the session with this name to telemetry, if it is loaded."
  @spec measure(t(), GenServer.name() | nil, non_neg_integer()) :: t()
  def measure(%__MODULE__{from: {caller, _tag}} = request, name, bytes) do
    names = %{name: name, target: request.target}
    %{request | telemetry: Telemetry.start(request.operation, caller, names, bytes + request.bulk_bytes)}
  end

  @spec measure_timing(t(), non_neg_integer(), non_neg_integer()) :: t()
  def measure_timing(request, queue_us, run_us) do
    %{request | telemetry: Telemetry.timing(request.telemetry, queue_us, run_us)}
  end

  @spec measure_items(t(), binary(), segments()) :: t()
  def measure_items(%{telemetry: nil} = request, _frame, _segments), do: request

  def measure_items(request, frame, segments) do
    %{request | telemetry: Telemetry.items(request.telemetry, frame, segments)}
  end

  defp start_timer(milliseconds, message) when is_integer(milliseconds) do
    Process.send_after(self(), message, milliseconds)
  end

  defp start_timer(_never, _message), do: nil

  defp stop_timer(nil), do: :ok
  defp stop_timer(timer), do: Process.cancel_timer(timer, async: true, info: false)
end
