defmodule PythonxPort.Environment.AsyncStartTest do
  # Sessions with `start: :async` whose environment does not exist yet. They share the configuration: these tests run
  # alone.
  use ExUnit.Case, async: false

  alias PythonxPort.{Environment, Error, Gate, OSProcess}

  setup context do
    python = PythonxPort.session(&PythonxPort.eval!(&1, "import sys; sys.executable"))

    directory =
      Path.join(System.tmp_dir!(), "pythonx_port-#{System.unique_integer([:positive])}-#{System.pid()}")

    gate = Gate.new()
    pid_file = Path.join(directory, "pid")
    uv = Path.join(directory, "uv")
    File.mkdir_p!(directory)

    # A program that makes what uv would make, when it is told to.
    File.write!(uv, """
    #!/bin/sh
    echo $$ > #{pid_file}
    while [ ! -e #{gate} ]; do sleep 0.01; done
    #{if context[:broken], do: "echo broken; exit 1"}
    mkdir -p .venv/bin && cd .venv && ln -sf #{python} bin/python3
    """)

    File.chmod!(uv, 0o755)
    Environment.forget()
    Application.put_env(:pythonx_port, :uv_init, packages: ["six"], uv_path: uv, directory: directory)

    on_exit(fn ->
      Application.delete_env(:pythonx_port, :uv_init)
      Environment.forget()
      File.rm_rf(directory)
    end)

    {:ok, gate: gate, directory: directory, pid_file: pid_file}
  end

  defp start(context, options \\ []) do
    session = PythonxPort.start_session([start: :async] ++ options)
    assert OSProcess.eventually(fn -> match?({:ok, <<_, _::binary>>}, File.read(context.pid_file)) end)
    session
  end

  defp uv_pid(context), do: context.pid_file |> File.read!() |> String.trim() |> String.to_integer()

  test "the starter goes on while it is made; requests and info wait", context do
    session = start(context)
    info = Task.async(fn -> PythonxPort.info(session) end)
    tasks = for n <- 1..3, do: PythonxPort.async_eval(session, "n", bindings: [n: n])
    assert OSProcess.eventually(fn -> map_size(:sys.get_state(session).ids) == 4 end)
    Gate.open(context.gate)
    assert Enum.map(tasks, &PythonxPort.await(&1, 20_000)) == [ok: 1, ok: 2, ok: 3]
    assert {:ok, %{os_pid: os_pid}} = Task.await(info)
    assert os_pid == OSProcess.of(session)
  end

  test "info waits for it alone, and not for the init code", context do
    init_gate = Gate.new()
    session = start(context, init: Gate.wait(init_gate))
    info = Task.async(fn -> PythonxPort.info(session) end)
    assert OSProcess.eventually(fn -> map_size(:sys.get_state(session).ids) == 1 end)
    Gate.open(context.gate)
    assert {:ok, %{running: id}} = Task.await(info)
    assert id in [nil, 1]
    assert :sys.get_state(session).startup
    Gate.open(init_gate)
    assert PythonxPort.eval(session, "1") == {:ok, 1}
  end

  @tag :broken
  @tag :capture_log
  test "one that cannot be made is the error of those who wait", context do
    Process.flag(:trap_exit, true)
    session = start(context)
    task = PythonxPort.async_eval(session, "1")
    Gate.open(context.gate)
    assert {:error, %Error{kind: :environment_failed} = error} = PythonxPort.await(task)
    assert error.message =~ "broken"
    assert_receive {:EXIT, ^session, {^error, _stacktrace}}
  end

  test "a stop, and the end of the owner, end what makes it", context do
    session = start(context)
    uv = uv_pid(context)
    task = PythonxPort.async_eval(session, "1")
    assert PythonxPort.stop_session(session, 20) == :ok
    assert {:error, %Error{kind: :shutdown}} = PythonxPort.await(task)
    OSProcess.assert_gone(uv)

    File.rm!(context.pid_file)
    test = self()
    owner = spawn(fn -> send(test, {:session, start(context)}) && Process.sleep(:infinity) end)
    assert_receive {:session, session}
    monitor = Process.monitor(session)
    uv = uv_pid(context)
    Process.exit(owner, :kill)
    assert_receive {:DOWN, ^monitor, :process, ^session, :normal}
    OSProcess.assert_gone(uv)
  end
end
