defmodule PythonxPort.PythonLogTest do
  use ExUnit.Case, async: true

  # Records go to this process, as maps.
  setup do
    test = self()
    {:ok, session: PythonxPort.start_session(log: &send(test, {:log, &1}))}
  end

  test "a record has its level, its message and its place", %{session: session} do
    code =
      PythonxPort.Code.new("import logging\n\nlogging.warning('%s of %d', 'two', 3)",
        file: "lib/my.ex",
        line: 7
      )

    before = System.system_time(:microsecond)
    PythonxPort.exec!(session, code)
    assert_received {:log, record}
    assert %{level: :warning, message: "two of 3", logger: "root", file: "lib/my.ex", line: 9} = record
    assert record.time >= before - 1_000_000
    assert record.caller == self()
    refute_received _anything
  end

  test "levels are those of Logger", %{session: session} do
    PythonxPort.exec!(session, """
    import logging
    logging.getLogger().setLevel(1)
    for level in (5, 10, 20, 30, 40, 50): logging.getLogger("a.b").log(level, str(level))
    """)

    levels =
      for n <- [5, 10, 20, 30, 40, 50],
          text = "#{n}",
          do:
            (
              assert_received {:log, %{message: ^text, logger: "a.b", level: level}}
              level
            )

    assert [:debug, :debug, :info, :warning, :error, :critical] = levels
  end

  test "a traceback comes along", %{session: session} do
    PythonxPort.exec!(session, """
    import logging
    try: 1 / 0
    except ZeroDivisionError: logging.exception("failed")
    """)

    assert_received {:log, %{level: :error, message: "failed", traceback: traceback}}
    assert traceback =~ "ZeroDivisionError"
  end

  test "what Python's own levels hold back does not come", %{session: session} do
    PythonxPort.exec!(session, "import logging; logging.info('quiet'); logging.debug('quiet')")
    refute_received _anything
  end

  test "init code and threads log, too" do
    test = self()

    init = """
    import logging, threading
    logging.warning('init')
    thread = threading.Thread(target=lambda: logging.warning('thread')); thread.start(); thread.join()
    """

    PythonxPort.start_session(init: init, log: &send(test, {:log, &1}))
    assert_receive {:log, %{message: "init", caller: nil}}
    assert_receive {:log, %{message: "thread"}}
  end

  test "a function that fails is logged, and the session goes on" do
    import ExUnit.CaptureLog
    session = PythonxPort.start_session(log: fn _record -> raise "oops" end)

    log =
      capture_log(fn ->
        assert PythonxPort.eval(session, "import logging; logging.error('x'); 1") == {:ok, 1}
      end)

    assert log =~ "a function given as :log failed"
  end

  test "an exception in the record's arguments ends nothing", %{session: session} do
    assert {:ok, 1} =
             PythonxPort.eval(session, "import logging; logging.warning('%d', 'x'); 1", output: :ignore)
  end

  test "a flood of records comes whole and in order", %{session: session} do
    PythonxPort.exec!(session, "import logging\nfor n in range(5_000): logging.warning(n)")
    for n <- 0..4_999, text = "#{n}", do: assert_received({:log, %{message: ^text}})
  end

  test "what was given as extra comes as a map, without what has no form", %{session: session} do
    PythonxPort.exec!(session, """
    import logging
    extra = {"order": 7, "tags": ["a", {"b": 1.5}], "größe": None, "open": object(), "deep": [object()]}
    logging.warning("paid", extra=extra)
    logging.LoggerAdapter(logging.getLogger("a"), {"user": "me"}).warning("adapted")
    logging.warning("plain")
    """)

    assert_received {:log, %{message: "paid", extra: extra}}
    assert extra == %{"order" => 7, "tags" => ["a", %{"b" => 1.5}], "größe" => nil}
    assert_received {:log, %{message: "adapted", extra: %{"user" => "me"}}}
    assert_received {:log, %{message: "plain"} = plain}
    refute Map.has_key?(plain, :extra)
  end

  test "basicConfig sets level and format", %{session: session} do
    PythonxPort.exec!(session, """
    import logging
    logging.basicConfig(level="INFO", format="%(levelname)s of %(name)s: %(message)s")
    logging.debug("quiet")
    logging.getLogger("a").info("loud")
    try: 1 / 0
    except ZeroDivisionError: logging.exception("failed")
    """)

    assert_received {:log, %{level: :info, message: "INFO of a: loud", logger: "a"}}
    assert_received {:log, %{message: "ERROR of root: failed", traceback: traceback}}
    assert traceback =~ "ZeroDivisionError"
    refute_received _anything
  end

  test "a formatter of one's own makes the message", %{session: session} do
    PythonxPort.exec!(session, """
    import json, logging
    class JSON(logging.Formatter):
        def format(self, record): return json.dumps({"text": record.getMessage()})
    logging.getLogger().handlers[0].setFormatter(JSON())
    logging.warning("careful")
    """)

    assert_received {:log, %{message: ~s({"text": "careful"})}}
  end

  test "with a file, basicConfig sends records there alone", %{session: session} do
    path = Path.join(System.tmp_dir!(), "pythonx_port-#{System.unique_integer([:positive])}-#{System.pid()}")
    on_exit(fn -> File.rm(path) end)

    PythonxPort.exec!(
      session,
      """
      import logging
      logging.basicConfig(filename=path, level=logging.DEBUG)
      logging.debug("fine")
      """,
      bindings: [path: path]
    )

    assert File.read!(path) == "DEBUG:root:fine\n"
    refute_received _anything
  end

  test "false drops records" do
    session = PythonxPort.start_session(log: false)

    log =
      ExUnit.CaptureLog.capture_log(fn ->
        PythonxPort.exec!(session, "import logging; logging.error('dropped')")
      end)

    refute log =~ "dropped"
  end

  test "options that are wrong are refused" do
    for log <- [nil, :info, fn -> :ok end],
        do: assert_raise(ArgumentError, fn -> PythonxPort.start_session(log: log) end)
  end

  describe "Logger" do
    # Handlers are called by the process that logs: here, the session.
    defmodule Handler do
      def log(event, %{config: %{test: test}}), do: send(test, {:event, event})
    end

    setup do
      id = :"log_test_#{System.unique_integer([:positive])}"
      :ok = :logger.add_handler(id, Handler, %{config: %{test: self()}, level: :all})
      on_exit(fn -> :logger.remove_handler(id) end)
    end

    defp assert_event(text) do
      assert_receive {:event, %{msg: {:string, message}, meta: %{domain: [:pythonx_port, :python]}} = event}
      if IO.chardata_to_string(message) =~ text, do: event, else: assert_event(text)
    end

    @tag :capture_log
    test "gets the metadata" do
      session = PythonxPort.start_session()

      code =
        PythonxPort.Code.new("import logging\ndef f(): logging.getLogger('my.log').error('größer')\nf()",
          file: "a.py",
          line: 5
        )

      Task.await(Task.async(fn -> PythonxPort.exec!(session, code) end))
      event = assert_event("größer")
      assert event.level == :error

      assert %{python_logger: "my.log", file: ~c"a.py", line: 6, python_function: "f", caller: caller} =
               event.meta

      assert event.meta.callers == [caller, self()]
      assert is_integer(event.meta.time)
    end

    @tag :capture_log
    test "gets what was given as extra, but not in place of its own keys" do
      session = PythonxPort.start_session()

      PythonxPort.exec!(session, """
      import logging
      extra = {"level": "x", "order_id": 7, "pid": 1, "file": 1, "domain": 1, "report_cb": 1, "mfa": 1, "no_such_atom_7f": 1}
      logging.getLogger("extra").error("with extra", extra={**extra, "gl": 1, "line": 2, "python_logger": 3})
      """)

      event = assert_event("with extra")
      assert %{order_id: 7, python_logger: "extra", line: 3, domain: [:pythonx_port, :python]} = event.meta
      assert is_pid(event.meta.pid) and is_pid(event.meta.gl)
      refute Map.has_key?(event.meta, :report_cb) or Map.has_key?(event.meta, :mfa)
      assert %{"no_such_atom_7f" => 1, "pid" => 1, "report_cb" => 1} = event.meta.python_extra
    end

    @tag :capture_log
    test "gets the traceback in the message" do
      session = PythonxPort.start_session()
      PythonxPort.exec!(session, "import logging\ntry: {}['k']\nexcept KeyError: logging.exception('no key')")
      event = assert_event("no key")
      {:string, message} = event.msg
      assert IO.chardata_to_string(message) =~ ~r/^no key\nTraceback .*KeyError: 'k'$/s
    end
  end
end
