defmodule PythonxPort.OSProcess do
  @moduledoc false
  # Looks at operating system processes, such as a session's, by their pid.

  import ExUnit.Assertions

  alias PythonxPort.TimeFactor

  # What the library promises: no Python process outlives its session for longer.
  @promised_ms 2_000
  @look_again_ms 10

  @spec of(PythonxPort.session()) :: pos_integer()
  def of(session), do: PythonxPort.info!(session).os_pid

  @doc "A process that has ended and was not yet asked for its status is gone, too."
  @spec alive?(pos_integer()) :: boolean()
  def alive?(os_pid) do
    case File.read("/proc/#{os_pid}/stat") do
      # The state stands behind the name, which is in parentheses and may hold anything.
      {:ok, stat} -> not (stat |> String.split(") ") |> List.last() |> String.starts_with?(["Z", "X"]))
      {:error, _gone} -> false
    end
  end

  @spec kill(pos_integer(), String.t()) :: :ok
  def kill(os_pid, signal) do
    {_output, 0} = System.cmd("sh", ["-c", "kill -#{signal} #{os_pid}"])
    :ok
  end

  @doc "Fails where the process lives for longer than is promised."
  @spec assert_gone(pos_integer()) :: true
  def assert_gone(os_pid) do
    assert eventually(fn -> not alive?(os_pid) end), "process #{os_pid} is still there"
  end

  @doc "Kills the owner of a session, and expects that the session ends with it, and its Python process."
  @spec assert_ends_with_owner(pid(), pid()) :: true
  def assert_ends_with_owner(session, owner) do
    monitor = Process.monitor(session)
    os_pid = of(session)
    Process.exit(owner, :kill)
    assert_receive {:DOWN, ^monitor, :process, ^session, :normal}
    assert_gone(os_pid)
  end

  @doc "Calls a function until it returns true; returns false if it does not within the promised time."
  @spec eventually(function(), integer()) :: boolean()
  def eventually(question, deadline \\ later(@promised_ms)) do
    cond do
      question.() ->
        true

      System.monotonic_time(:millisecond) > deadline ->
        false

      true ->
        Process.sleep(@look_again_ms)
        eventually(question, deadline)
    end
  end

  @doc "The time that it is when so many milliseconds, or what they are on a slow machine, have passed."
  @spec later(pos_integer()) :: integer()
  def later(milliseconds), do: System.monotonic_time(:millisecond) + TimeFactor.stretch(milliseconds)
end
