defmodule PythonxPort.SharedMemory.WhoseMemoryTest do
  # Large results come out of the memory of the session, and of no other process that has its pid or its descriptors
  # where the caller runs.
  use PythonxPort.SessionCase, async: true

  alias PythonxPort.{Bytes, SegmentFiles}
  alias PythonxPort.SharedMemory.SegmentFile

  @mib 1024 * 1024

  # As if the session's pid were that of a process `os_pid` here, such as in another container.
  defp mistake(session, os_pid) do
    :sys.replace_state(session, fn state ->
      %{
        state
        | leases: %{state.leases | directory: "/proc/#{os_pid}/fd"},
          upload: %{state.upload | directory: "/proc/#{os_pid}/fd"}
      }
    end)
  end

  # Another session, with segments under the numbers that this one's will have, full of a secret.
  defp stranger do
    stranger = PythonxPort.start_session()
    {:ok, _bytes} = PythonxPort.eval(stranger, "b'S' * #{20 * @mib}", binaries: :bytes)
    PythonxPort.assign!(stranger, secret: Bytes.new(:binary.copy("S", 2 * @mib)))
    stranger
  end

  defp leased?(session), do: :sys.get_state(session).leases.holders != %{}

  describe "a session whose pid is another's here" do
    @describetag :segments

    setup %{session: session} do
      stranger = stranger()
      mistake(session, OSProcess.of(stranger))
      {:ok, stranger: stranger}
    end

    test "sends results through the pipe", %{session: session} do
      for size <- [600_000, @mib, 16 * @mib, 16 * @mib + 1, 40 * @mib + 3] do
        letters = :binary.copy("q", size)
        assert PythonxPort.eval(session, "b'q' * #{size}", binaries: :bytes) == {:ok, letters}
        assert PythonxPort.call(session, "str.ljust", ["", size, "q"]) == {:ok, letters}
      end

      assert OSProcess.eventually(fn -> not leased?(session) end)
    end

    test "sends each part of a result once, and runs nothing again", %{session: session} do
      code = "n = globals().get('n', 0) + 1\n[b'a' * 700_000, {'b': b'b' * 800_000}, (n, b'c')]"
      expected = [:binary.copy("a", 700_000), %{"b" => :binary.copy("b", 800_000)}, {1, "c"}]
      assert PythonxPort.eval(session, code) == {:ok, expected}
      assert PythonxPort.eval(session, "n") == {:ok, 1}
    end

    test "sends the items of a stream through the pipe", %{session: session} do
      items = session |> PythonxPort.stream("(chr(97 + n) * #{@mib} for n in range(6))") |> Enum.to_list()
      assert items == for(n <- 0..5, do: :binary.copy(<<?a + n>>, @mib))
      assert OSProcess.eventually(fn -> not leased?(session) end)
    end

    test "sends results also while Python is busy", %{session: session} do
      task = PythonxPort.async_eval(session, "b'q' * #{@mib}")
      gate = Gate.new()
      busy = PythonxPort.async_eval(session, Gate.wait(gate))
      assert PythonxPort.await(task) == {:ok, :binary.copy("q", @mib)}
      Gate.open(gate)
      assert PythonxPort.await(busy) == {:ok, nil}
    end

    test "is not written to by the other's name", %{session: session, stranger: stranger} do
      for size <- [600_000, 9 * @mib], _ <- 1..3 do
        bytes = :crypto.strong_rand_bytes(size)
        code = "import hashlib; hashlib.sha256(data).digest()"

        assert PythonxPort.eval(session, code, bindings: [data: Bytes.new(bytes)], binaries: :bytes) ==
                 {:ok, :crypto.hash(:sha256, bytes)}
      end

      assert PythonxPort.eval(stranger, "secret == b'S' * #{2 * @mib}") == {:ok, true}
      assert PythonxPort.eval(stranger, "secret") == {:ok, :binary.copy("S", 2 * @mib)}
    end
  end

  describe "a session whose descriptors are not to be seen here" do
    test "sends results through the pipe", %{session: session} do
      mistake(session, 999_999_999)
      assert PythonxPort.eval(session, "'q' * #{@mib}") == {:ok, :binary.copy("q", @mib)}
      :sys.replace_state(session, &%{&1 | leases: %{&1.leases | directory: nil}})
      assert PythonxPort.eval(session, "'q' * #{@mib}") == {:ok, :binary.copy("q", @mib)}
    end
  end

  describe "a session that ends" do
    @describetag :segments

    # A large result whose reply has come, and lies unread.
    defp unread(session) do
      task = PythonxPort.async_eval(session, "b'q' * #{@mib}")
      assert OSProcess.eventually(fn -> leased?(session) end)
      task
    end

    test "before its result is asked for is an error", %{session: session} do
      task = unread(session)
      PythonxPort.stop_session(session)
      assert {:error, %Error{kind: kind}} = PythonxPort.await(task)
      assert kind in [:not_running, :shutdown]
    end

    @tag capture_log: true
    test "while its result is asked for is an error", %{session: session} do
      os_pid = OSProcess.of(session)
      mistake(session, 999_999_999)
      test = self()

      caller =
        spawn(fn ->
          task = PythonxPort.async_eval(session, "b'q' * #{@mib}")
          send(test, :sent)
          receive do: (:go -> send(test, {:result, PythonxPort.await(task, 30_000)}))
        end)

      assert_receive :sent
      assert OSProcess.eventually(fn -> leased?(session) end)
      OSProcess.kill(os_pid, "STOP")
      send(caller, :go)

      assert OSProcess.eventually(fn ->
               Enum.any?(:sys.get_state(session).pending, &match?({_id, {:fetch, _from}}, &1))
             end)

      refute_received {:result, _early}
      OSProcess.kill(os_pid, "KILL")
      assert_receive {:result, {:error, %Error{kind: :crashed}}}
    end
  end

  test "a caller that dies while its result is sent leaves nothing", %{session: session} do
    mistake(session, 999_999_999)

    for turn <- 1..20 do
      pid = spawn(fn -> PythonxPort.eval(session, "b'q' * #{8 * @mib}") end)
      Process.sleep(rem(turn, 5))
      Process.exit(pid, :kill)
    end

    assert PythonxPort.eval(session, "1") == {:ok, 1}
    assert OSProcess.eventually(fn -> not leased?(session) and :sys.get_state(session).pending == %{} end)
  end

  describe "a file" do
    setup do
      path = Path.join(System.tmp_dir!(), "pythonx_port-file-#{System.unique_integer([:positive])}")
      File.write!(path, "0123456789")
      on_exit(fn -> File.rm(path) end)
      stat = File.stat!(path)
      {:ok, path: path, id: {stat.major_device, stat.inode}}
    end

    test "is told from others by device and inode", %{path: path, id: {device, inode} = id} do
      assert SegmentFile.matches?(path, id)
      refute SegmentFile.matches?(path, {device + 1, inode})
      refute SegmentFile.matches?(path, {device, inode + 1})
      refute SegmentFile.matches?("/no/such/file", id)
      # A file_info has 32 bits of them.
      assert SegmentFile.matches?(path, {device, inode + 0x1_0000_0000})
      assert {:ok, file} = SegmentFile.open(path, id)
      assert SegmentFile.matches?(file, id)
      assert SegmentFile.open(path, {device, inode + 1}) == {:error, :estale}
    end

    test "is read if it is the one", %{path: path, id: {device, inode} = id} do
      assert SegmentFile.read(path, id, 0, 10, 10) == {:ok, "0123456789"}
      assert SegmentFile.read(path, id, 0, 9, 10) == {:ok, "012345678"}
      assert SegmentFile.read(path, id, 3, 4, 10) == {:ok, "3456"}
      assert SegmentFile.read(path, id, 3, 8, 10) == :error
      assert SegmentFile.read(path, {device, inode + 1}, 0, 10, 10) == :error
      assert SegmentFile.read("/no/such/file", id, 0, 10, 10) == :error
    end

    test "that is a pipe without a writer does not block", %{path: path, id: id} do
      pipe = path <> ".pipe"
      {_text, 0} = System.cmd("mkfifo", [pipe])
      on_exit(fn -> File.rm(pipe) end)
      assert SegmentFile.read(pipe, id, 0, 10, 10) == :error
      assert SegmentFile.open(pipe, id) == {:error, :estale}
    end
  end

  describe "a session on another node" do
    @describetag :segments

    test "sends results through the pipe, and takes arguments by way of its own segments" do
      name = fn what ->
        :"pythonx_port_#{what}_#{System.pid()}_#{System.unique_integer([:positive])}@127.0.0.1"
      end

      {far, near} = {name.("far"), name.("near")}

      host =
        OtherBEAM.start_node(far, """
        session = PythonxPort.start_session(name: :far)
        IO.puts(PythonxPort.info!(session).os_pid)
        """)

      os_pid = host |> OtherBEAM.await_line() |> String.to_integer()

      caller =
        OtherBEAM.start_node(near, """
        true = Node.connect(:"#{far}")
        named = {:far, :"#{far}"}
        pid = :rpc.call(:"#{far}", Process, :whereis, [:far])
        letters = :binary.copy("q", 2_000_000)

        for session <- [named, pid] do
          {:ok, ^letters} = PythonxPort.eval(session, "'q' * 2_000_000")
          {:ok, [^letters]} = PythonxPort.eval(session, "[b'q' * 2_000_000]")
          {:ok, ^letters} = PythonxPort.call(session, "str.ljust", ["", 2_000_000, "q"])
          {:ok, ^letters} = session |> PythonxPort.async_eval("'q' * 2_000_000") |> PythonxPort.await()
          [^letters, ^letters] = session |> PythonxPort.stream("['q' * 2_000_000] * 2") |> Enum.to_list()
          {:ok, %{queued: 0}} = PythonxPort.info(session)
        end

        IO.puts("results are right")
        "go on\\n" = IO.read(:line)
        bytes = :crypto.strong_rand_bytes(2_000_000)
        code = "import hashlib; hashlib.sha256(data).digest()"
        options = [bindings: [data: PythonxPort.Bytes.new(bytes)], binaries: :bytes]
        digest = :crypto.hash(:sha256, bytes)
        for session <- [named, pid], do: {:ok, ^digest} = PythonxPort.eval(session, code, options)
        IO.puts("arguments are right")
        """)

      assert OtherBEAM.await_line(caller) == "results are right"
      assert SegmentFiles.of(os_pid) == 0
      Port.command(caller, "go on\n")
      assert OtherBEAM.await_line(caller) == "arguments are right"
      assert SegmentFiles.of(os_pid) >= 2_000_000
    end
  end
end
