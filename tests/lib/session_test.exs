defmodule PythonxPort.SessionTest do
  use ExUnit.Case, async: true

  alias PythonxPort.{Error, OSProcess}

  defp unique_name, do: :"session_#{System.unique_integer([:positive])}"

  describe "start_session" do
    test "returns the session itself" do
      session = PythonxPort.start_session()
      assert is_pid(session)
      assert session |> PythonxPort.exec("x = 1") == {:ok, nil}
    end

    test "starts a session that ends with its owner" do
      test = self()

      owner =
        spawn(fn ->
          send(test, {:session, PythonxPort.start_session()})
          Process.sleep(:infinity)
        end)

      assert_receive {:session, session}
      OSProcess.assert_ends_with_owner(session, owner)
    end

    test "gives up where its owner ends first" do
      name = unique_name()
      owner = spawn(fn -> PythonxPort.start_session(name: name, init: "import time; time.sleep(60)") end)
      assert OSProcess.eventually(fn -> Process.whereis(name) end)
      session = Process.whereis(name)
      monitor = Process.monitor(session)

      # A monitor may be set up after another process gets its exit signal. A reply shows that it is set up.
      assert Process.info(session, :status)
      Process.exit(owner, :kill)
      assert_receive {:DOWN, ^monitor, :process, ^session, :normal}
    end
  end

  describe "a name" do
    test "can be used like the session" do
      name = unique_name()
      session = PythonxPort.start_session(name: name)
      assert Process.whereis(name) == session
      assert PythonxPort.eval(name, "1 + 1") == {:ok, 2}
      assert PythonxPort.call(name, "abs", [-1]) == {:ok, 1}
      assert PythonxPort.info!(name).os_pid == OSProcess.of(session)
      assert name |> PythonxPort.async_eval("3") |> PythonxPort.await() == {:ok, 3}
    end

    test "may be global" do
      name = {:global, unique_name()}
      PythonxPort.start_session(name: name)
      assert PythonxPort.eval(name, "1 + 1") == {:ok, 2}
      assert PythonxPort.stop_session(name) == :ok
      assert {:error, %Error{kind: :not_running}} = PythonxPort.eval(name, "1")
    end

    test "that is taken is an error" do
      name = unique_name()
      session = PythonxPort.start_session(name: name)
      error = assert_raise Error, fn -> PythonxPort.start_session(name: name) end
      assert error.kind == :start_failed
      assert PythonxPort.start_link(name: name) == {:error, {:already_started, session}}
    end

    test "is free again when stop_session returns" do
      name = unique_name()

      for _ <- 1..5 do
        PythonxPort.start_session(name: name)
        assert PythonxPort.stop_session(name) == :ok
      end
    end

    test "that nobody has is an error of a request" do
      assert {:error, %Error{kind: :not_running}} = PythonxPort.eval(unique_name(), "1")
      assert {:error, %Error{kind: :not_running}} = PythonxPort.info(unique_name())
      assert_raise Error, fn -> PythonxPort.info!(unique_name()) end
    end
  end

  describe "stop_session" do
    test "ends the process before it returns, and the session is gone" do
      session = PythonxPort.start_session()
      os_pid = OSProcess.of(session)
      assert PythonxPort.stop_session(session) == :ok
      refute Process.alive?(session)
      refute OSProcess.alive?(os_pid)
      assert {:error, %Error{kind: :not_running}} = PythonxPort.eval(session, "1")
      assert {:error, %Error{kind: :not_running}} = PythonxPort.call(session, "len", [[]])
    end

    test "again, or of what never was, is no error" do
      session = PythonxPort.start_session()
      assert PythonxPort.stop_session(session) == :ok
      assert PythonxPort.stop_session(session) == :ok
      assert PythonxPort.stop_session(unique_name()) == :ok
    end

    test "comes after the requests that are there" do
      session = PythonxPort.start_session()
      first = PythonxPort.async_eval(session, "import time; time.sleep(0.1); 1")
      second = PythonxPort.async_eval(session, "2")
      assert PythonxPort.stop_session(session) == :ok
      assert PythonxPort.await(first, 0) == {:ok, 1}
      assert PythonxPort.await(second, 0) == {:ok, 2}
    end

    test "runs atexit functions" do
      session = PythonxPort.start_session(output: self())
      PythonxPort.exec!(session, "import atexit; atexit.register(print, 'tidied up')")
      PythonxPort.stop_session(session)
      assert_received {:pythonx_output, ^session, :stdout, "tidied up\n"}
    end

    test "takes a time in milliseconds" do
      session = PythonxPort.start_session()

      for timeout <- [-1, 1.5, nil],
          do: assert_raise(ArgumentError, fn -> PythonxPort.stop_session(session, timeout) end)

      assert PythonxPort.eval(session, "1") == {:ok, 1}
      assert PythonxPort.stop_session(session, 0) == :ok
    end

    test "kills what does not end in time" do
      session = PythonxPort.start_session()
      os_pid = OSProcess.of(session)
      task = PythonxPort.async_exec(session, "while True: pass")
      assert PythonxPort.stop_session(session, 50) == :ok
      refute OSProcess.alive?(os_pid)
      assert {:error, %Error{kind: :shutdown}} = PythonxPort.await(task, 0)
    end

    test "kills a process that was stopped by a signal" do
      session = PythonxPort.start_session()
      os_pid = OSProcess.of(session)
      OSProcess.kill(os_pid, "STOP")
      assert PythonxPort.stop_session(session, 50) == :ok
      refute OSProcess.alive?(os_pid)
    end

    test "can be called by several at once, with the shortest time for all" do
      session = PythonxPort.start_session()
      task = PythonxPort.async_exec(session, "while True: pass")
      patient = for _ <- 1..3, do: Task.async(fn -> PythonxPort.stop_session(session, :infinity) end)
      assert OSProcess.eventually(fn -> :sys.get_state(session).stopping end)
      assert {:error, %Error{kind: :shutdown}} = PythonxPort.eval(session, "1")
      assert PythonxPort.stop_session(session, 20) == :ok
      assert Task.await_many(patient) == [:ok, :ok, :ok]
      assert {:error, %Error{kind: :shutdown}} = PythonxPort.await(task, 0)
    end

    test "is not held up by a queue that is full" do
      session = PythonxPort.start_session()
      os_pid = OSProcess.of(session)
      running = PythonxPort.async_exec(session, "while True: pass")
      # Python takes no more than 16,384 requests ahead; what the pipe holds comes on top.
      waiting = for _ <- 1..60_000, do: PythonxPort.async_exec(session, "pass")
      assert PythonxPort.stop_session(session, 100) == :ok
      OSProcess.assert_gone(os_pid)
      assert {:error, %Error{kind: :shutdown}} = PythonxPort.await(running, 0)
      assert {:error, %Error{kind: :shutdown}} = PythonxPort.await(List.last(waiting), 0)
    end
  end

  describe "session" do
    test "returns the value of the function, and stops the session" do
      {session, sum} = PythonxPort.session(fn session -> {session, PythonxPort.eval!(session, "1 + 1")} end)
      assert sum == 2
      refute Process.alive?(session)
    end

    test "stops the session where the function raises, throws or exits" do
      test = self()

      for leave <- [fn -> raise "oops" end, fn -> throw(:oops) end, fn -> exit(:oops) end] do
        catch_any(fn ->
          PythonxPort.session(fn session ->
            send(test, {:session, session})
            leave.()
          end)
        end)

        assert_received {:session, session}
        refute Process.alive?(session)
      end
    end

    test "takes the options of a session" do
      assert PythonxPort.session([init: "x = 5"], &PythonxPort.eval(&1, "x")) == {:ok, 5}
    end

    test "raises where none can be started" do
      assert_raise Error, fn -> PythonxPort.session([init: "1 / 0"], fn _session -> flunk("it ran") end) end
    end

    defp catch_any(function) do
      function.()
    catch
      _kind, _reason -> :caught
    end
  end

  test "each option of a session has its place in the documentation and in the type" do
    keys = Map.keys(%PythonxPort.Session.Options{}) -- [:__struct__, :python_from, :results]
    {:docs_v1, _, _, _, _, _, docs} = Code.fetch_docs(PythonxPort)
    {_, _, _, %{"en" => text}, _} = List.keyfind(docs, {:function, :start_session, 1}, 0)
    {:ok, types} = Code.Typespec.fetch_types(PythonxPort)
    [options] = for {:type, {:session_options, _, _} = type} <- types, do: inspect(type, limit: :infinity)

    for key <- keys do
      assert text =~ "`:#{key}` -", "#{key} is not documented"
      assert options =~ ":#{key}}", "#{key} is not in the type"
    end
  end

  describe "options" do
    test "init is code, or a list of it, with a place of its own" do
      session = PythonxPort.start_session(init: "  x = 1\n  y = 2")
      assert PythonxPort.eval(session, "x, y") == {:ok, {1, 2}}

      code = PythonxPort.Code.new("def fail(): missing", file: "lib/init.ex", line: 9)
      session = PythonxPort.start_session(init: ["import json", "def f(): return missing", code])
      assert {:error, %Error{traceback: traceback}} = PythonxPort.call(session, "f", [])
      assert traceback =~ ~s[File "<init 2>", line 1, in f\n    def f(): return missing]
      assert {:error, %Error{traceback: traceback}} = PythonxPort.call(session, "fail", [])
      assert traceback =~ ~s(File "lib/init.ex", line 9)
    end

    test "env sets and unsets variables" do
      session = PythonxPort.start_session(env: [{"PYTHONX_TEST_A", "größer"}, {"HOME", nil}])
      code = "import os; (os.environ['PYTHONX_TEST_A'], os.environ.get('HOME'))"
      assert PythonxPort.eval(session, code) == {:ok, {"größer", nil}}
      session = PythonxPort.start_session(env: %{"HOME" => "", "PYTHONX_TEST_A" => "b"})
      assert PythonxPort.eval(session, code) == {:ok, {"b", nil}}
    end

    test "cd is the directory to run in" do
      directory = System.tmp_dir!()
      session = PythonxPort.start_session(cd: directory)

      assert PythonxPort.eval(session, "import os; os.path.samefile('.', d)", bindings: [d: directory]) ==
               {:ok, true}
    end

    test "memory_limit makes too much a MemoryError" do
      session = PythonxPort.start_session(memory_limit: 1024 * 1024 * 1024)
      assert {:error, %Error{type: "MemoryError"}} = PythonxPort.eval(session, "len(bytearray(2 << 30))")
      assert PythonxPort.eval(session, "len(bytearray(1 << 20))") == {:ok, 1_048_576}
    end

    test "max_frame refuses longer requests before they are sent" do
      session = PythonxPort.start_session(max_frame: 10_000)
      assert PythonxPort.eval(session, "len(x)", bindings: [x: String.duplicate("x", 9_000)]) == {:ok, 9_000}

      assert {:error, %Error{kind: :bad_request, message: message}} =
               PythonxPort.eval(session, "len(x)", bindings: [x: String.duplicate("x", 10_000)])

      assert message =~ "this session takes 10000"
      assert PythonxPort.eval(session, "'y' * 20_000") == {:ok, String.duplicate("y", 20_000)}
      assert PythonxPort.info!(session).max_frame == 10_000
    end

    test "spin changes nothing but the time that answers take" do
      session = PythonxPort.start_session(spin: 1_000)
      assert for(n <- 1..50, do: PythonxPort.eval!(session, "n", bindings: [n: n])) == Enum.to_list(1..50)
    end

    test "that are wrong are refused in the calling process" do
      for options <- [
            [pyhton: "x"],
            [python: :system],
            [python: ""],
            [memory_limit: 0],
            [memory_limit: "1G"],
            [max_frame: 0],
            [max_frame: 4_294_967_296],
            [max_result: 0],
            [max_result: 2 ** 63],
            [atom_limit: -1],
            [atom_limit: :infinity],
            [spin: -1],
            [spin: 1_000_001],
            [init: :code],
            [init: ["x", 1]],
            [init_timeout: -1],
            [env: [PATH: "x"]],
            [env: "PATH=x"],
            [cd: ~c"/tmp"],
            [output: :nowhere],
            [name: "python"],
            # It names the default session.
            [name: :default],
            [link: nil],
            [start: :lazy],
            [max_queue: 0],
            [max_queue: nil],
            [max_queue: []],
            [max_queue: [requests: 1, requests: 2]],
            [max_queue: [bytes: -1]],
            [max_queue: [seconds: 1]]
          ] do
        assert_raise(ArgumentError, fn -> PythonxPort.start_session(options) end)
      end
    end
  end

  test "secrets in the environment are not shown" do
    session = PythonxPort.start_session(env: [{"TOKEN", "secret-value"}])
    refute inspect(:sys.get_state(session), limit: :infinity) =~ "secret-value"
  end
end
