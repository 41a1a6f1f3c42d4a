defmodule PythonxPort.PortProgram.OomCounterTest do
  # What the kernel kills when memory runs out: the session and not the BEAM, and its error says so.
  use PythonxPort.SessionCase, async: true

  alias PythonxPort.MemoryCgroup
  alias PythonxPort.PortProgram.OomCounter

  @moduletag :capture_log

  # A folder that looks as /proc does to a process with these cgroups, and the folder of its memory cgroup.
  defp fake_proc(groups, mount, files) do
    folder = Path.join(System.tmp_dir!(), "pythonx_port-oom-#{System.unique_integer([:positive])}")
    on_exit(fn -> File.rm_rf!(folder) end)
    for name <- ["self", "7"], do: File.mkdir_p!(Path.join(folder, name))
    File.write!(Path.join(folder, "7/cgroup"), groups)
    mount = String.replace(mount, "MOUNT", Path.join(folder, "a mount") |> String.replace(" ", "\\040"))
    File.write!(Path.join(folder, "self/mountinfo"), "31 23 0:28 / / rw - tmpfs tmpfs rw\n" <> mount)

    for {name, text} <- files do
      path = Path.join([folder, "a mount", name])
      File.mkdir_p!(Path.dirname(path))
      File.write!(path, text)
    end

    folder
  end

  @v1 "35 31 0:32 / MOUNT rw,relatime - cgroup cgroup rw,memory\n"
  @v2 "41 31 0:38 / MOUNT rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"

  defp v1_text(kills), do: "oom_kill_disable 0\nunder_oom 0\noom_kill #{kills}\n"
  defp v2_text(kills), do: "low 0\nhigh 0\nmax 12\noom 3\noom_kill #{kills}\noom_group_kill 0\n"

  describe "the file with the count" do
    for {name, groups, mount, file, text} <- [
          {"of version 2", "0::/app/one\n", @v2, "app/one/memory.events", "oom_kill 4\n"},
          {"of version 2, for the group alone", "0::/app\n", @v2, "app/memory.events.local", "oom_kill 4\n"},
          {"of version 2, at the root of a container", "0::/\n", @v2, "memory.events", "oom_kill 4\n"},
          {"of version 1", "9:cpu:/\n4:memory:/app/one\n0::/\n", @v1, "app/one/memory.oom_control",
           "oom_kill 4\n"},
          {"of version 1, with others", "4:cpu,memory:/app\n", @v1, "app/memory.oom_control", "oom_kill 4\n"},
          {"of a container", "4:memory:/docker/1\n", String.replace(@v1, " / ", " /docker/1 "),
           "memory.oom_control", "oom_kill 4\n"},
          {"below a container", "4:memory:/docker/1/a\n", String.replace(@v1, " / ", " /docker/1 "),
           "a/memory.oom_control", "oom_kill 4\n"}
        ] do
      @tag parameters: {groups, mount, file, text}
      test "#{name}", %{parameters: {groups, mount, file, text}} do
        proc = fake_proc(groups, mount, [{file, text}])
        assert %OomCounter{kills: 4, file: path} = OomCounter.new(7, proc)
        assert path == Path.join([proc, "a mount", file])
      end
    end

    test "is none without a cgroup, a count, or a process" do
      files = [
        {"app/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\n"},
        {"b/memory.events", "oom_kill x\n"}
      ]

      for groups <- ["", "nonsense", "4:memory:/app\n", "4:memory:/elsewhere\n", "4:memory:/../app\n"],
          do: assert(OomCounter.new(7, fake_proc(groups, @v1, files)) == nil)

      assert OomCounter.new(7, fake_proc("0::/b\n", @v2, files)) == nil
      assert OomCounter.new(8, fake_proc("0::/b\n", @v2, files)) == nil
      assert OomCounter.new(nil) == nil
      refute OomCounter.claim?(nil)
    end
  end

  test "each kill is claimed once, by a session that was there before it" do
    proc = fake_proc("0::/app\n", @v2, [{"app/memory.events", v2_text(4)}])
    [first, second, third] = for _ <- 1..3, do: OomCounter.new(7, proc)
    refute OomCounter.claim?(first)
    File.write!(first.file, v2_text(6))
    late = OomCounter.new(7, proc)
    assert OomCounter.claim?(first)
    assert OomCounter.claim?(second)
    refute OomCounter.claim?(third)
    File.write!(first.file, v2_text(7))
    assert OomCounter.claim?(late)
    refute OomCounter.claim?(third)
    File.rm!(first.file)
    refute OomCounter.claim?(third)
  end

  # The session's count is that of a cgroup whose files the test writes.
  defp watch(session, kills) do
    proc = fake_proc("4:memory:/app\n", @v1, [{"app/memory.oom_control", v1_text(kills)}])
    counter = OomCounter.new(7, proc)
    :sys.replace_state(session, &%{&1 | oom_counter: counter})
    counter.file
  end

  defp kill(session, signal) do
    task = PythonxPort.async_exec(session, "import time; time.sleep(60)")
    OSProcess.kill(OSProcess.of(session), signal)
    PythonxPort.await(task)
  end

  test "the error of a session that the kernel has killed says so", %{session: session} do
    File.write!(watch(session, 2), v1_text(3))
    assert {:error, error} = kill(session, "KILL")
    assert %Error{kind: :crashed, signal: :sigkill, exit_status: 137, cause: :oom} = error
    assert error.message == "the Python process was killed for want of memory (SIGKILL, by the kernel)"
  end

  test "a session that SIGKILL ends otherwise was not killed for want of memory", %{session: session} do
    watch(session, 2)

    assert {:error, %Error{kind: :crashed, signal: :sigkill, cause: nil, message: message}} =
             kill(session, "KILL")

    assert message == "the Python process was killed by SIGKILL (the system does this where memory is short)"
  end

  test "nor was one that ends by another signal", %{session: session} do
    File.write!(watch(session, 2), v1_text(3))
    assert {:error, %Error{kind: :crashed, signal: :sigterm, cause: nil}} = kill(session, "TERM")
  end

  @tag :cgroup
  test "a session has the count of its cgroup", %{session: session} do
    assert %OomCounter{kills: kills} = :sys.get_state(session).oom_counter
    assert is_integer(kills)
  end

  describe "the score" do
    @describetag :linux

    defp score(session), do: PythonxPort.eval!(session, "int(open('/proc/self/oom_score_adj').read())")

    defp points(os_pid),
      do: "/proc/#{os_pid}/oom_score" |> File.read!() |> String.trim() |> String.to_integer()

    test "of a session is above the BEAM's", %{session: session} do
      own = "/proc/self/oom_score_adj" |> File.read!() |> String.trim() |> String.to_integer()
      assert score(session) == max(own, 500)
      assert points(OSProcess.of(session)) > points(System.pid())
    end

    test "is an option" do
      assert score(PythonxPort.start_session(oom_score_adj: 900)) == 900

      for score <- [-1001, 1001, "500"],
          do: assert_raise(ArgumentError, fn -> PythonxPort.start_session(oom_score_adj: score) end)
    end
  end

  # Another BEAM, in a cgroup of 300 MB, whose session takes more.
  @tag :memory_cgroup
  test "a cgroup without memory costs the session and not the BEAM" do
    cgroup = MemoryCgroup.make!(300_000_000)
    on_exit(fn -> MemoryCgroup.remove(cgroup) end)

    for {code, kind} <- [{"PythonxPort.start_session(link: false)", :crashed}, {"nil", :start_failed}] do
      assert {text, 0} = MemoryCgroup.elixir(cgroup, grow(code))
      assert text =~ "#{kind} oom sigkill\n2\n"
    end
  end

  defp grow("nil") do
    """
    {:error, error} = PythonxPort.start_link(init: "kept = []\\nwhile True: kept.append(b'x' * 10**7)")
    #{report("start_failed")}
    """
  end

  defp grow(start) do
    """
    session = #{start}
    {:error, error} = PythonxPort.exec(session, "kept = []\\nwhile True: kept.append(b'x' * 10**7)")
    #{report("crashed")}
    """
  end

  defp report(kind) do
    """
    IO.puts("#{kind} \#{error.cause} \#{error.signal}")
    IO.puts(PythonxPort.eval!("1 + 1"))
    """
  end
end
