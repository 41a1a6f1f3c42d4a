defmodule PythonxPort.Callback.Table do
  @moduledoc false
  # The functions that Python called and that have not answered yet: each runs in a process of its own, which is
  # linked to the session, so that neither outlives the other. `PythonxPort.Callback` is what runs in there.

  require Logger

  alias PythonxPort.{Callback, Protocol, Request}
  alias PythonxPort.Callback.Allowlist

  # `running` has for each process the call that it answers. Once it has, it is `:answered`, until the process has
  # ended.
  defstruct [:allow, :max_frame, running: %{}]

  @type call :: %{key: term(), bytes: Protocol.call_id()} | :answered
  @type t :: %__MODULE__{allow: Allowlist.t(), max_frame: pos_integer(), running: %{pid() => call()}}

  @spec new(Allowlist.t(), pos_integer()) :: t()
  def new(allow, max_frame), do: %__MODULE__{allow: allow, max_frame: max_frame}

  @doc """
  Starts what an `invoke` event asks for, in the name of the request that it was made by, where there is one. The
  calling process, the session, gets `{:answer, pid, frame}` for Python, or else the exit of that process alone.
  """
  @spec start(t(), {Protocol.call_id(), term()}, binary(), Request.t() | nil) :: t()
  def start(%__MODULE__{} = invocations, {bytes, key}, frame, ticket) do
    session = self()
    %{allow: allow, max_frame: max_frame} = invocations

    pid =
      spawn_link(fn ->
        work_for(ticket, session)
        send(session, {:answer, self(), Callback.run(frame, bytes, allow, max_frame)})
      end)

    %{invocations | running: Map.put(invocations.running, pid, %{key: key, bytes: bytes})}
  end

  # As a process of the request's caller would be: its output, its log, and whom it works for.
  defp work_for(%Request{} = ticket, session) do
    if ticket.leader, do: Process.group_leader(self(), ticket.leader)
    if ticket.from, do: Process.put(:"$callers", Request.callers(ticket, ticket.from))
    if is_map(ticket.log_metadata), do: :logger.set_process_metadata(ticket.log_metadata)
    Process.put(:"$ancestors", [session])
  end

  defp work_for(nil, session), do: Process.put(:"$ancestors", [session])

  @doc "The process has answered. Tells whether somebody in Python waits for it."
  @spec answered(t(), pid()) :: {boolean(), t()}
  def answered(%__MODULE__{running: running} = invocations, pid) do
    case running do
      %{^pid => %{}} -> {true, %{invocations | running: %{running | pid => :answered}}}
      _abandoned -> {false, invocations}
    end
  end

  @doc "A linked process has ended. Where it was one of these, gives the answer that is still owed, or nil."
  @spec ended(t(), pid(), term()) :: {iodata() | nil, t()} | :unknown
  def ended(%__MODULE__{running: running} = invocations, pid, reason) do
    case Map.pop(running, pid) do
      {nil, _running} -> :unknown
      {:answered, running} -> {nil, %{invocations | running: running}}
      {%{bytes: bytes}, running} -> {Callback.died(bytes, reason), %{invocations | running: running}}
    end
  end

  @doc "Python waits no longer for this call: its process is killed."
  @spec abandon(t(), term()) :: t()
  def abandon(%__MODULE__{running: running} = invocations, key) do
    case Enum.find(running, &match?({_pid, %{key: ^key}}, &1)) do
      {pid, _call} ->
        Process.exit(pid, :kill)
        %{invocations | running: %{running | pid => :answered}}

      nil ->
        invocations
    end
  end

  @doc "The session ends, for whatever reason."
  @spec kill_all(t()) :: :ok
  def kill_all(%__MODULE__{running: running}),
    do: running |> Map.keys() |> Enum.each(&Process.exit(&1, :kill))

  @doc "The call that waits for the innermost of these processes, where there is one."
  @spec waiting_for(t(), [pid()]) :: Protocol.call_id() | nil
  def waiting_for(%__MODULE__{running: running}, _pids) when running == %{}, do: nil

  def waiting_for(%__MODULE__{running: running}, pids) do
    Enum.find_value(pids, fn pid ->
      case running do
        %{^pid => %{bytes: bytes}} -> bytes
        _not_one_of_these -> nil
      end
    end)
  end

  @doc "What Python wrote to a process, by `erlang.send`."
  @spec deliver(t(), pid() | atom() | binary(), term()) :: :ok
  def deliver(_invocations, pid, message) when is_pid(pid) do
    send(pid, message)
    :ok
  end

  def deliver(%__MODULE__{allow: allow}, name, message) do
    with {:ok, atom} <- Allowlist.atom(name),
         true <- Allowlist.send?(allow, atom) do
      send(atom, message)
      :ok
    else
      _unknown_or_refused ->
        Logger.warning(
          "a message that Python sent to #{Allowlist.shown(name)} was dropped. To allow it, start the session with " <>
            "allow: [{:send, #{Allowlist.shown(name)}}], or pass the pid in as an argument or a binding"
        )
    end
  rescue
    ArgumentError ->
      Logger.warning(
        "a message that Python sent to #{Allowlist.shown(name)} was dropped: no process has that name"
      )
  end
end
