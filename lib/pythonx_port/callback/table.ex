defmodule PythonxPort.Callback.Table do
  @moduledoc false
  # Runs the functions that Python calls, and keeps those that have not answered yet. Each runs in a process of its
  # own, which is linked to the session, so that neither outlives the other; `PythonxPort.Callback` is what it runs.

  require Logger

  alias PythonxPort.{Callback, Protocol, Request}
  alias PythonxPort.Callback.Allowlist

  # `running` has the call of each process. It is `:answered` from the answer until the process has ended.
  defstruct [:allow, :max_frame, running: %{}]

  @type call :: %{key: term(), bytes: Protocol.call_id()} | :answered
  @type t :: %__MODULE__{allow: Allowlist.t(), max_frame: pos_integer(), running: %{pid() => call()}}

  @spec new(Allowlist.t(), pos_integer()) :: t()
  def new(allow, max_frame), do: %__MODULE__{allow: allow, max_frame: max_frame}

  @doc """
  Starts the function that an `invoke` event names, on behalf of the request that Python called it in, if there is one.

  The calling process, the session, gets `{:answer, pid, frame}` for Python; if the function's process dies it gets its
  exit alone.
  """
  @spec start(t(), {Protocol.call_id(), term()}, binary(), Request.t() | nil) :: t()
  def start(%__MODULE__{} = table, {bytes, key}, frame, request) do
    session = self()
    %{allow: allow, max_frame: max_frame} = table

    pid =
      spawn_link(fn ->
        set_context(request, session)
        send(session, {:answer, self(), Callback.run(frame, bytes, allow, max_frame)})
      end)

    %{table | running: Map.put(table.running, pid, %{key: key, bytes: bytes})}
  end

  # The context of a process that the request's caller had started: output, log metadata, callers.
  defp set_context(%Request{} = request, session) do
    if request.leader, do: Process.group_leader(self(), request.leader)
    if request.from, do: Process.put(:"$callers", Request.callers(request, request.from))
    if is_map(request.log_metadata), do: :logger.set_process_metadata(request.log_metadata)
    Process.put(:"$ancestors", [session])
  end

  defp set_context(nil, session), do: Process.put(:"$ancestors", [session])

  @doc "Takes note of an answer; returns whether Python still waits for it."
  @spec answered(t(), pid()) :: {boolean(), t()}
  def answered(%__MODULE__{running: running} = table, pid) do
    case running do
      %{^pid => %{}} -> {true, %{table | running: %{running | pid => :answered}}}
      _abandoned -> {false, table}
    end
  end

  @doc """
  Handles the exit of a linked process. Returns the answer that Python still waits for, or nil; `:unknown` if the
  process was none of these.
  """
  @spec ended(t(), pid(), term()) :: {iodata() | nil, t()} | :unknown
  def ended(%__MODULE__{running: running} = table, pid, reason) do
    case Map.pop(running, pid) do
      {nil, _running} -> :unknown
      {:answered, running} -> {nil, %{table | running: running}}
      {%{bytes: bytes}, running} -> {Callback.died(bytes, reason), %{table | running: running}}
    end
  end

  @doc "Kills the process of a call that Python does not wait for any more."
  @spec abandon(t(), term()) :: t()
  def abandon(%__MODULE__{running: running} = table, key) do
    case Enum.find(running, &match?({_pid, %{key: ^key}}, &1)) do
      {pid, _call} ->
        Process.exit(pid, :kill)
        %{table | running: %{running | pid => :answered}}

      nil ->
        table
    end
  end

  @doc "Kills all processes; the session ends."
  @spec kill_all(t()) :: :ok
  def kill_all(%__MODULE__{running: running}),
    do: running |> Map.keys() |> Enum.each(&Process.exit(&1, :kill))

  @doc "Returns the call that the innermost of these processes runs, or nil. Python waits for it."
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

  @doc "Delivers a message that Python sent with `erlang.send`."
  @spec deliver(t(), pid() | atom() | binary(), term()) :: :ok
  def deliver(_table, pid, message) when is_pid(pid) do
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
