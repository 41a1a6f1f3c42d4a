defmodule PythonxPort.Session.OwnerTest do
  # A session of start_session/1 and the process that has started it end together.
  use ExUnit.Case, async: true

  alias PythonxPort.{Error, OSProcess}

  @moduletag :capture_log

  # A process that starts a session, and then runs a function with it.
  defp start_owner(options \\ [], function \\ fn _session -> Process.sleep(:infinity) end) do
    test = self()

    {owner, monitor} =
      spawn_monitor(fn ->
        if options[:trap], do: Process.flag(:trap_exit, true)
        session = PythonxPort.start_session(Keyword.delete(options, :trap))
        send(test, {:session, session})
        function.(session)
      end)

    assert_receive {:session, session}
    {owner, monitor, session}
  end

  defp links(pid), do: pid |> Process.info(:links) |> elem(1)

  test "the session is linked to its owner" do
    session = PythonxPort.start_session()
    assert session in links(self())
    PythonxPort.stop_session(session)
  end

  test "an idle owner ends with the session, and for its reason" do
    {owner, monitor, session} = start_owner()
    OSProcess.kill(OSProcess.of(session), "KILL")

    assert_receive {:DOWN, ^monitor, :process, ^owner,
                    {%Error{kind: :crashed, signal: :sigkill}, _stacktrace}}
  end

  test "an owner that waits for a call ends within it" do
    test = self()

    {owner, monitor, _session} =
      start_owner([], fn session ->
        send(test, {:result, PythonxPort.exec(session, "import os; os._exit(3)")})
      end)

    assert_receive {:DOWN, ^monitor, :process, ^owner, {%Error{kind: :crashed, exit_status: 3}, _stacktrace}}
    refute_received {:result, _result}
  end

  test "an owner that traps exits gets the error of its call; the message is there when the call returns" do
    test = self()

    {_owner, _monitor, session} =
      start_owner([trap: true], fn session ->
        result = PythonxPort.exec(session, "import os; os._exit(3)")
        send(test, {:seen, result, Process.info(self(), :messages)})
      end)

    assert_receive {:seen, {:error, error}, {:messages, messages}}
    assert %Error{kind: :crashed, exit_status: 3} = error
    assert [{:EXIT, ^session, {^error, [{PythonxPort.Session, _, _, _}]}}] = messages
  end

  test "an idle owner that traps exits gets the message alone" do
    Process.flag(:trap_exit, true)
    session = PythonxPort.start_session()
    OSProcess.kill(OSProcess.of(session), "KILL")
    assert_receive {:EXIT, ^session, {%Error{kind: :crashed, signal: :sigkill}, _stacktrace}}
    refute_receive {_down, _reference_or_session, :process, ^session, _reason}, 50
  end

  test "a stop is no crash" do
    {owner, monitor, session} = start_owner()
    assert PythonxPort.stop_session(session) == :ok
    refute_receive {:DOWN, ^monitor, :process, ^owner, _reason}, 50
    Process.demonitor(monitor)
    Process.exit(owner, :kill)

    Process.flag(:trap_exit, true)
    session = PythonxPort.start_session()
    PythonxPort.stop_session(session)
    assert_received {:EXIT, ^session, :normal}
    refute_received _anything
  end

  test "also if Python had to be killed for it" do
    {owner, monitor, session} = start_owner()
    PythonxPort.async_exec(session, "while True: pass")
    assert PythonxPort.stop_session(session, 20) == :ok
    refute_receive {:DOWN, ^monitor, :process, ^owner, _reason}, 50
    Process.exit(owner, :kill)
  end

  test "a start that fails raises, and leaves the owner alive and without a message" do
    for options <- [[init: "1 / 0"], [python: "/no/such/python"], [init: "import os; os._exit(1)"]] do
      Process.flag(:trap_exit, true)
      assert_raise Error, fn -> PythonxPort.start_session(options) end
      refute_receive _anything, 50
    end
  end

  test "the session ends with its owner, however that ends, and says nothing" do
    for reason <- [:kill, :shutdown, :oops] do
      {owner, owner_monitor, session} = start_owner()
      monitor = Process.monitor(session)
      os_pid = OSProcess.of(session)

      log =
        ExUnit.CaptureLog.capture_log(fn ->
          Process.exit(owner, reason)
          assert_receive {:DOWN, ^owner_monitor, :process, ^owner, _reason}
          assert_receive {:DOWN, ^monitor, :process, ^session, :normal}
        end)

      refute log =~ inspect(session)
      OSProcess.assert_gone(os_pid)
    end

    {_owner, _monitor, session} = start_owner([], fn _session -> :ok end)
    monitor = Process.monitor(session)
    assert_receive {:DOWN, ^monitor, :process, ^session, _normal_or_noproc}
  end

  test "an exit signal of an owner that lives on ends the session" do
    Process.flag(:trap_exit, true)
    session = PythonxPort.start_session()
    Process.exit(session, :normal)
    assert PythonxPort.eval(session, "1") == {:ok, 1}
    Process.exit(session, :oops)
    assert_receive {:EXIT, ^session, :oops}
  end

  describe "link: false" do
    test "lets the owner live on" do
      session = PythonxPort.start_session(link: false)
      refute session in links(self())
      assert {:error, %Error{kind: :crashed}} = PythonxPort.exec(session, "import os; os._exit(3)")
      assert {:error, %Error{kind: :not_running}} = PythonxPort.exec(session, "pass")
    end

    test "still ends the session with its owner" do
      {owner, _monitor, session} = start_owner(link: false)
      OSProcess.assert_ends_with_owner(session, owner)
    end

    test "is refused by start_link" do
      assert_raise ArgumentError, ~r/:link/, fn -> PythonxPort.start_link(link: false) end
    end
  end

  test "session/2 does not link, so that its function gets the error" do
    result =
      PythonxPort.session(fn session ->
        refute session in links(self())
        PythonxPort.exec(session, "import os; os._exit(3)")
      end)

    assert {:error, %Error{kind: :crashed}} = result
  end
end
