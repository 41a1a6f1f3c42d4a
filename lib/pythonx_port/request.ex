defmodule PythonxPort.Request do
  @moduledoc false
  # What goes along with a request, beside its bytes: who waits for it, where its output goes, how long it may take. The
  # caller makes it; the session keeps it until the reply, and watches the clock.
  #
  # A request has a time to end in: that of its option `timeout`, which Python itself watches, or none. When it is
  # over, or when the request was cancelled, Python has `grace` milliseconds to send the reply. After that it is
  # overdue.

  alias PythonxPort.{Client, Error, Output, Protocol, Telemetry}

  # Who is on the other side of a session that does not answer waits so much longer than the session would, in
  # milliseconds.
  @slack 100
  # The same where the session has said that it will end the request, which takes as long as a process needs to die.
  @long_slack 5_000

  defstruct [
    # What the caller says. `leader`, `callers` and `log_metadata` are for what Python has done here in the caller's
    # name.
    :operation,
    :output,
    :timeout,
    :grace,
    :leader,
    :log_metadata,
    :made,
    :demand,
    callers: [],
    segments: [],
    bulk_bytes: 0,
    # What the session adds.
    from: nil,
    token: nil,
    monitor: nil,
    timer: nil,
    ending: nil,
    # Of a request that takes room in Python; and whether it had to wait for that.
    size: nil,
    delayed: false,
    telemetry: nil
  ]

  @typedoc "Names the request among all; the caller has it, too."
  @type token :: reference()

  @type t :: %__MODULE__{}

  @spec slack() :: pos_integer()
  def slack, do: @slack

  @doc "How long the caller waits from when the session has said that the request's time is over."
  @spec patience(timeout()) :: pos_integer()
  def patience(:infinity), do: @slack
  def patience(grace), do: grace + @long_slack

  @doc "To be called by the process that makes the request."
  @spec new(atom(), keyword()) :: t()
  def new(operation, options) do
    %__MODULE__{
      operation: operation,
      output: Output.target(options[:output]),
      timeout: options[:timeout],
      made: now(),
      grace: options[:grace],
      demand: options[:demand] && Client.Stream.first_demand(options[:demand]),
      leader: Process.group_leader(),
      callers: Process.get(:"$callers", []),
      log_metadata: :logger.get_process_metadata()
    }
  end

  defp now, do: System.monotonic_time(:millisecond)

  @doc "The processes in whose name a request is made: the caller, and those that it works for."
  @spec callers(t(), GenServer.from()) :: [pid()]
  def callers(%__MODULE__{callers: callers}, {pid, _tag}), do: [pid | callers]

  @doc """
  The session is about to send the request; `:forsaken` where nobody waits for it any more. It gets
  `{{:caller, id}, monitor, :process, pid, reason}` where the caller dies, and `{:late, id, token}` where the time is over.
  """
  @spec open(t(), GenServer.from(), non_neg_integer(), timeout()) :: {:ok, t()} | :forsaken
  def open(%__MODULE__{} = ticket, {pid, [:alias | token]} = from, id, default_grace) do
    if forsaken?(ticket, pid) do
      :forsaken
    else
      monitor = :erlang.monitor(:process, pid, tag: {:caller, id})
      timer = start_timer(ticket.timeout, {:late, id, token})
      grace = ticket.grace || default_grace
      {:ok, %{ticket | from: from, token: token, grace: grace, monitor: monitor, timer: timer}}
    end
  end

  # Of a request that came at once the monitor tells. Process.alive?/1 may take longer than a request: it waits for what the
  # process does. Another node has another clock.
  defp forsaken?(%{made: made, timeout: timeout}, pid) when node(pid) == node() do
    waited = now() - made
    waited > @slack and ((is_integer(timeout) and waited > timeout + @slack) or not Process.alive?(pid))
  end

  defp forsaken?(_ticket, _pid), do: false

  @doc "The reply is there."
  @spec close(t()) :: t()
  def close(%__MODULE__{} = ticket) do
    if ticket.monitor, do: Process.demonitor(ticket.monitor, [:flush])
    stop_timer(ticket.timer)
    %{ticket | monitor: nil, timer: nil}
  end

  @doc """
  What the caller gets for a reply. Python counts the time of a request from when it has read it. Where that was late
  it is the session that ends it, by cancelling it.
  """
  @spec answer(t(), binary()) :: {:frame, binary()} | {:error, Error.t()}
  def answer(%__MODULE__{delayed: true, ending: :timeout} = ticket, frame) do
    if Protocol.error?(frame), do: {:error, Client.timed_out(ticket.timeout)}, else: {:frame, frame}
  end

  def answer(_ticket, frame), do: {:frame, frame}

  @doc "Nobody waits for the reply any more."
  @spec forsake(t()) :: t()
  def forsake(%__MODULE__{} = ticket) do
    if ticket.monitor, do: Process.demonitor(ticket.monitor, [:flush])
    %{ticket | from: nil, monitor: nil}
  end

  @doc """
  The request is to end: Python was told so, or its time is over. `{:overdue, id, token}` comes where it has not ended
  after its grace. A second reason to end gives no more time.
  """
  @spec grant_grace(t(), non_neg_integer(), :cancelled | :timeout) :: t()
  def grant_grace(%__MODULE__{ending: nil} = ticket, id, reason) do
    stop_timer(ticket.timer)
    %{ticket | ending: reason, timer: start_timer(ticket.grace, {:overdue, id, ticket.token})}
  end

  def grant_grace(ticket, _id, _reason), do: ticket

  @doc "Why a request that is overdue is so, as text."
  @spec overdue(t()) :: String.t()
  def overdue(%__MODULE__{ending: :cancelled} = ticket) do
    "a request did not end within #{ticket.grace} ms after it was cancelled"
  end

  def overdue(%__MODULE__{ending: :timeout} = ticket) do
    "a request did not end within #{ticket.grace} ms after its timeout of #{ticket.timeout} ms"
  end

  @doc "Starts to tell telemetry of the request, where it is there."
  @spec measure(t(), non_neg_integer()) :: t()
  def measure(ticket, bytes), do: %{ticket | telemetry: Telemetry.start(ticket, bytes)}

  @spec measure_timing(t(), non_neg_integer(), non_neg_integer()) :: t()
  def measure_timing(ticket, queue_us, run_us) do
    %{ticket | telemetry: Telemetry.timing(ticket.telemetry, queue_us, run_us)}
  end

  @spec measure_items(t(), binary(), [pos_integer()]) :: t()
  def measure_items(%{telemetry: nil} = ticket, _frame, _segments), do: ticket

  def measure_items(ticket, frame, segments) do
    %{ticket | telemetry: Telemetry.items(ticket.telemetry, frame, segments)}
  end

  defp start_timer(milliseconds, message) when is_integer(milliseconds) do
    Process.send_after(self(), message, milliseconds)
  end

  defp start_timer(_never, _message), do: nil

  defp stop_timer(nil), do: :ok
  defp stop_timer(timer), do: Process.cancel_timer(timer, async: true, info: false)
end
