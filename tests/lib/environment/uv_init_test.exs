defmodule PythonxPort.Environment.UvInitTest do
  # Environments that the real uv makes. Which one sessions use is the same for all: these tests run alone.
  use ExUnit.Case, async: false

  import ExUnit.CaptureIO

  alias PythonxPort.{Environment, Error, OSProcess, TestUV}

  @moduletag :uv
  @moduletag timeout: 120_000

  setup_all do
    {:ok, found: TestUV.options("")}
  end

  setup context do
    folder =
      Path.join(System.tmp_dir!(), "pythonx_port-uv-#{System.unique_integer([:positive])}-#{System.pid()}")

    File.mkdir_p!(folder)
    PythonxPort.stop_session(:default)

    on_exit(fn ->
      PythonxPort.stop_session(:default)
      Environment.forget()
      Application.delete_env(:pythonx_port, :uv_init)
      Application.delete_env(:pythonx_port, :python_path)
      File.rm_rf!(folder)
    end)

    {:ok, folder: folder, options: Keyword.put(context.found, :directory, Path.join(folder, "environments"))}
  end

  # A program that writes a line for each time that it is run, does what the text says, and is uv then.
  defp counting_uv(context, text \\ "") do
    path = Path.join(context.folder, "uv")

    File.write!(
      path,
      "#!/bin/sh\necho \"$3\" >>#{context.folder}/runs\n#{text}\nexec #{TestUV.program()} \"$@\"\n"
    )

    File.chmod!(path, 0o755)
    Keyword.put(context.options, :uv_path, path)
  end

  defp runs(context) do
    case File.read(Path.join(context.folder, "runs")) do
      {:ok, text} -> String.split(text)
      {:error, :enoent} -> []
    end
  end

  defp environments(context), do: for(name <- kept(context), Path.extname(name) == "", do: name)

  # All but the files that are locked.
  defp kept(context) do
    context.options[:directory] |> File.ls!() |> Enum.reject(&String.ends_with?(&1, ".lock")) |> Enum.sort()
  end

  defp failure(options) do
    error = assert_raise Error, fn -> PythonxPort.uv_init(options) end
    assert error.kind == :environment_failed
    error.message
  end

  # Another BEAM that makes an environment; what it says comes as messages of the port.
  defp other_node(options),
    do: run_node("IO.puts(PythonxPort.uv_init(#{inspect(options, limit: :infinity)}))")

  defp run_node(code, arguments \\ []) do
    ebin = Path.dirname(to_string(:code.which(PythonxPort)))

    Port.open({:spawn_executable, System.find_executable("elixir")}, [
      :binary,
      :exit_status,
      :stderr_to_stdout,
      line: 4_096,
      args: arguments ++ ["-pa", ebin, "-e", code]
    ])
  end

  defp await_exit(port, lines \\ []) do
    receive do
      {^port, {:data, {_end, line}}} -> await_exit(port, [line | lines])
      {^port, {:exit_status, status}} -> {status, Enum.reverse(lines)}
    after
      60_000 -> flunk("the other node does not end")
    end
  end

  describe "an environment" do
    @describetag :network

    test "is made, and sessions use it", context do
      python = PythonxPort.uv_init(context.options ++ [packages: ["six"]])
      assert {:ok, ^python} = PythonxPort.eval("import sys, six; sys.executable")

      PythonxPort.session(fn session ->
        assert {:ok, version} = PythonxPort.eval(session, "import sys; '%d.%d' % sys.version_info[:2]")
        assert version == context.options[:python_version]
      end)

      # Who names another gets it.
      base = PythonxPort.eval!("sys._base_executable")

      PythonxPort.session(
        [python: base],
        &assert(PythonxPort.eval!(&1, "import sys; sys.prefix") != Path.dirname(python))
      )

      # The versions are written down.
      assert File.read!(Path.join(python, "../../../uv.lock") |> Path.expand()) =~ ~s(name = "six")
    end

    test "that is there costs no uv, and next to no time", context do
      options = counting_uv(context) ++ [packages: ["six"]]
      python = PythonxPort.uv_init(options)
      assert runs(context) == ["venv", "sync"]
      assert {us, ^python} = :timer.tc(fn -> PythonxPort.uv_init(options) end)
      assert us < 50_000
      assert runs(context) == ["venv", "sync"]
      assert [_one] = kept(context)
      # It needs none then, either.
      assert PythonxPort.uv_init(Keyword.put(options, :uv_path, "/no/such/uv")) == python
    end

    test "is another for other packages, each for a session of its own", context do
      with_six = PythonxPort.uv_init(context.options ++ [packages: ["six"]])
      with_iniconfig = PythonxPort.uv_init(context.options ++ [packages: ["iniconfig"]])
      code = "from importlib.util import find_spec\n[n for n in ('six', 'iniconfig') if find_spec(n)]"

      PythonxPort.session([python: with_six], fn one ->
        PythonxPort.session([], fn other ->
          assert PythonxPort.eval!(one, code) == ["six"]
          assert PythonxPort.eval!(other, code) == ["iniconfig"]
        end)
      end)

      assert with_six != with_iniconfig
    end

    test "follows a pyproject.toml", context do
      text = """
      [project]
      name = "mine"
      version = "1"
      requires-python = ">=3.11"
      dependencies = ["six"]
      """

      PythonxPort.uv_init(context.options ++ [pyproject_toml: text])
      assert {:ok, nil} = PythonxPort.exec("import six")
    end

    test "has programs that work where it was moved to", context do
      python = PythonxPort.uv_init(context.options ++ [packages: ["tabulate"]])

      assert {"  1\n", 0} =
               System.cmd("sh", ["-c", "echo 1 | #{Path.dirname(python)}/tabulate -f plain | sed 's/^1/  1/'"])
    end

    test "is made anew where it has lost its Python, or was removed", context do
      options = context.options ++ [packages: ["six"]]
      python = PythonxPort.uv_init(options)
      link = Path.join(Path.dirname(python), "python")
      File.rm!(link)
      File.ln_s!("/no/such/python3", link)
      assert {:ok, _version} = PythonxPort.eval("import six; six.__version__")
      File.rm_rf!(Path.dirname(python))
      assert PythonxPort.uv_init(options) == python
      assert {:ok, nil} = PythonxPort.exec("import six")
      assert [_one] = kept(context)
    end

    test "shows uv's progress, and is silent where nobody looks", context do
      options = context.options ++ [packages: ["six"]]
      assert capture_io(fn -> PythonxPort.uv_init(options ++ [progress: true]) end) =~ "+ six=="
      assert capture_io(fn -> PythonxPort.uv_init(options ++ [progress: true]) end) == ""
      File.rm_rf!(options[:directory])
      assert capture_io(fn -> PythonxPort.uv_init(options) end) == ""
    end
  end

  describe "the configuration" do
    @describetag :network

    test "is what uv_init/0 takes", context do
      Application.put_env(:pythonx_port, :uv_init, context.options ++ [packages: ["six"]])
      assert is_binary(PythonxPort.uv_init())
      assert {:ok, nil} = PythonxPort.exec("import six")
    end

    test "is followed by the first session that needs it, before :python_path", context do
      Application.put_env(:pythonx_port, :python_path, "/no/such/python")
      Application.put_env(:pythonx_port, :uv_init, context.options ++ [packages: ["six"]])
      assert {:ok, nil} = PythonxPort.exec("import six")
      assert %{ok: true, chosen_by: "uv_init"} = with_output(fn -> PythonxPort.doctor() end)
    end
  end

  test "a configuration that fails is an error of the session's start", context do
    Application.put_env(
      :pythonx_port,
      :uv_init,
      Keyword.put(context.options, :uv_path, "/no/uv") ++ [packages: []]
    )

    assert {:error, %Error{kind: :environment_failed} = error} = PythonxPort.start_link()
    assert error.message =~ "/no/uv, which :uv_path names, is not an executable file"
    assert {:error, ^error} = PythonxPort.eval("1")
    assert assert_raise(Error, fn -> PythonxPort.start_session() end) == error
    assert %{ok: false, problem: problem} = with_output(fn -> PythonxPort.doctor() end)
    assert problem == error.message
  end

  # As in a release's `eval`, for the making of an image.
  test "the configuration is found where no application was started", context do
    config = Path.join(context.folder, "sys.config")
    settings = [pythonx_port: [uv_init: context.options ++ [packages: []]]]
    File.write!(config, :io_lib.format("~tp.~n", [settings]))
    node = run_node("IO.puts(PythonxPort.uv_init())", ["--erl", "-config #{config}"])
    assert {0, [python]} = await_exit(node)
    assert PythonxPort.uv_init(context.options ++ [packages: []]) == python
  end

  test "there is no place for it", context do
    home = System.get_env("HOME")
    cache = System.get_env("XDG_CACHE_HOME")

    on_exit(fn ->
      for {name, value} <- [{"HOME", home}, {"XDG_CACHE_HOME", cache}], value, do: System.put_env(name, value)
    end)

    System.delete_env("HOME")
    System.delete_env("XDG_CACHE_HOME")

    assert failure(Keyword.delete(context.options, :directory) ++ [packages: []]) =~
             "give the option :directory"
  end

  defp with_output(function) do
    capture_io(fn -> send(self(), {:value, function.()}) end)
    assert_received {:value, value}
    value
  end

  describe "a lock file" do
    @describetag :network

    setup context do
      {:ok, lock: Path.join(context.folder, "uv.lock")}
    end

    test "is written, and followed from then on", %{lock: lock} = context do
      options = counting_uv(context) ++ [packages: ["six"], uv_lock: lock]
      python = PythonxPort.uv_init(options)
      text = File.read!(lock)
      assert text =~ ~s(name = "six")
      assert PythonxPort.uv_init(options) == python
      assert runs(context) == ["venv", "sync"]
      # Another host has the lock file, and no environment.
      File.rm_rf!(context.options[:directory])
      assert PythonxPort.uv_init(options ++ [locked: true]) == python
      assert File.read!(lock) == text
    end

    test "keeps old versions", %{lock: lock} = context do
      options = context.options ++ [uv_lock: lock]
      PythonxPort.uv_init(options ++ [packages: ["six<1.17"]])
      old = PythonxPort.eval!("import six; six.__version__")
      PythonxPort.stop_session(:default)
      PythonxPort.uv_init(options ++ [packages: ["six"]])
      assert PythonxPort.eval!("import six; six.__version__") == old
    end

    test "that does not fit is an error where it must not change", %{lock: lock} = context do
      options = context.options ++ [uv_lock: lock]
      PythonxPort.uv_init(options ++ [packages: ["six"]])
      text = File.read!(lock)
      assert failure(options ++ [packages: ["iniconfig"], locked: true]) =~ "needs to be updated"
      assert File.read!(lock) == text
      PythonxPort.uv_init(options ++ [packages: ["iniconfig"]])
      assert File.read!(lock) =~ "iniconfig"
    end

    test "that cannot be written", context do
      options = context.options ++ [packages: ["six"], uv_lock: "/no/such/folder/uv.lock"]
      assert failure(options) =~ "/no/such/folder/uv.lock could not be written: no such file or directory"
    end
  end

  describe "what goes wrong" do
    test "is told in uv's words: a bad requirement", context do
      message = failure(context.options ++ [packages: ["six ~~ 3"]])
      assert message =~ "uv could not make the environment"
      assert message =~ "six ~~ 3"
      assert kept(context) == []
      assert failure(context.options ++ [pyproject_toml: "[project"]) =~ "TOML parse error"
    end

    @tag :network
    test "is told in uv's words: a package that there is not", context do
      assert failure(context.options ++ [packages: ["six==0.0.0.1"]]) =~ "there is no version of six==0.0.0.1"
      assert kept(context) == []
    end

    test "is told in uv's words: no network", context do
      env = [
        {"UV_DEFAULT_INDEX", "http://127.0.0.1:9/simple"},
        {"UV_NO_CACHE", "1"},
        {"UV_HTTP_RETRIES", "0"}
      ]

      options = Keyword.update!(context.options, :env, &(&1 ++ env))
      assert failure(options ++ [packages: ["six"]]) =~ "http://127.0.0.1:9/simple/six"
      assert kept(context) == []
    end

    test "is told in uv's words: no such Python", context do
      env = [{"UV_PYTHON_DOWNLOADS", "never"}]
      options = context.options |> Keyword.update!(:env, &(&1 ++ env)) |> Keyword.put(:python_version, "3.99")
      assert failure(options ++ [packages: []]) =~ "3.99"
    end

    test "uv is not there", context do
      assert failure(Keyword.put(context.options, :uv_path, "/no/uv") ++ [packages: []]) =~
               "/no/uv, which :uv_path names"
    end

    test "the folder cannot be made", context do
      options = Keyword.put(context.options, :directory, "/proc/environments") ++ [packages: []]
      assert failure(options) =~ "the folder /proc/environments could not be made"
    end
  end

  test "options that make no sense", context do
    for {options, part} <- [
          {[], "needs :packages or :pyproject_toml"},
          {[packages: [], pyproject_toml: ""], "not both"},
          {[packages: "six"], "invalid value for option :packages"},
          {[packages: [:six]], "requirements such as"},
          {[packages: [], python_version: 3.11], "invalid value for option :python_version"},
          {[packages: [], python_version: "3.10"], "CPython 3.11 or later is needed"},
          {[packages: [], python_version: "2.7.18"], "CPython 3.11 or later is needed"},
          {[packages: [], python_version: "3.13t"],
           "free-threaded builds such as Python 3.13t are not supported"},
          {[packages: [], directory: :here], "invalid value for option :directory"},
          {[packages: [], colour: :red], "unknown option :colour of uv_init"}
        ] do
      error = assert_raise ArgumentError, fn -> PythonxPort.uv_init(options) end
      assert error.message =~ part
    end

    refute File.exists?(context.options[:directory])
  end

  test "folders and lock files of an application", context do
    options = Keyword.put(context.options, :directory, {:pythonx_port, "python"})
    lock = Application.app_dir(:pythonx_port, "uv.lock")
    on_exit(fn -> File.rm_rf!(Application.app_dir(:pythonx_port, "python")) end)
    on_exit(fn -> File.rm(lock) end)
    python = PythonxPort.uv_init(options ++ [packages: [], uv_lock: {:pythonx_port, "uv.lock"}])
    assert String.starts_with?(python, Application.app_dir(:pythonx_port))
    assert File.exists?(lock)
  end

  test "a caller that traps exits gets no messages", context do
    Process.flag(:trap_exit, true)
    PythonxPort.uv_init(context.options ++ [packages: []])
    failure(context.options ++ [packages: ["six ~~ 3"]])
    refute_receive _anything, 50
  end

  describe "several at a time" do
    test "one makes it, on whichever node", context do
      options = counting_uv(context, "sleep 0.3") ++ [packages: []]
      others = for _ <- 1..2, do: other_node(options)
      tasks = for _ <- 1..3, do: Task.async(fn -> PythonxPort.uv_init(options) end)
      assert [python] = tasks |> Task.await_many(60_000) |> Enum.uniq()
      for other <- others, do: assert({0, [^python]} = await_exit(other))
      assert runs(context) == ["venv", "sync"]
      assert [_one] = environments(context)
    end

    test "the next one goes on where the first was killed, and removes what it left", context do
      pid = Path.join(context.folder, "pid")

      slow =
        counting_uv(context, "[ \"$3\" = venv ] || { echo $$ >#{pid}; exec sleep 60; }") ++ [packages: []]

      other = other_node(slow)
      assert OSProcess.eventually(fn -> File.read(pid) not in [{:ok, ""}, {:error, :enoent}] end, later())
      uv = pid |> File.read!() |> String.trim() |> String.to_integer()
      assert [left] = Enum.filter(kept(context), &(&1 =~ ".new-"))

      waiting =
        Task.async(fn ->
          capture_io(fn -> PythonxPort.uv_init(context.options ++ [packages: [], progress: true]) end)
        end)

      Process.sleep(1_500)
      assert Task.yield(waiting, 0) == nil

      {:os_pid, node} = Port.info(other, :os_pid)
      OSProcess.kill(node, "KILL")
      assert Task.await(waiting, 30_000) =~ "Waiting for the process"
      OSProcess.assert_gone(uv)
      assert [one] = kept(context)
      assert one != left
    end

    test "a process that is killed lets the next one go on", context do
      options = counting_uv(context, "sleep 60") ++ [packages: []]
      {pid, monitor} = spawn_monitor(fn -> PythonxPort.uv_init(options) end)
      assert OSProcess.eventually(fn -> runs(context) == ["venv"] end, later())
      Process.exit(pid, :kill)
      assert_receive {:DOWN, ^monitor, :process, ^pid, :killed}
      assert is_binary(PythonxPort.uv_init(context.options ++ [packages: []]))
      assert [_one] = kept(context)
    end
  end

  defp later, do: OSProcess.later(20_000)
end
