defmodule PythonxPort.SharedMemory.UploadTest do
  # Large binaries on their way to Python: which process writes them, and what stays open for the next one. Not at the
  # same time as other tests, since files that are open here are counted.
  use PythonxPort.SessionCase, async: false

  alias PythonxPort.{Bytes, SegmentFiles, Tensor}
  alias PythonxPort.SharedMemory.Writer

  @kib 1024
  @mib 1024 * 1024

  # No two parts of it are alike.
  defp bytes(seed, size) do
    :rand.seed(:exsss, {seed, seed, seed})
    block = :rand.bytes(64 * @kib + 7)
    :binary.copy(block, div(size, byte_size(block)) + 1) |> binary_part(0, size)
  end

  defp arrives?(session, bytes) do
    code = "import hashlib; hashlib.sha256(data).digest()"
    {:ok, digest} = PythonxPort.eval(session, code, bindings: [data: Bytes.new(bytes)], binaries: :bytes)
    digest == :crypto.hash(:sha256, bytes)
  end

  defp upload(session), do: :sys.get_state(session).upload

  defp change(session, change), do: :sys.replace_state(session, &%{&1 | upload: change.(&1.upload)})

  # As after a while without writes.
  defp be_idle(session) do
    for writer <- upload(session).writers, do: send(writer, :timeout)
    for writer <- upload(session).writers, do: :sys.get_state(writer)
  end

  describe "a binary" do
    test "arrives whatever its size", %{session: session} do
      for size <-
            [512 * @kib, 512 * @kib + 1, @mib - 1, 1_000_003, 3 * @mib + 4095, 8 * @mib - 1] ++
              [8 * @mib, 8 * @mib + 1, 20_000_001, 64 * @mib],
          seed <- 1..2 do
        assert arrives?(session, bytes(seed, size))
      end
    end

    test "arrives beside others, as parts of one", %{session: session} do
      whole = bytes(1, 5 * @mib)
      parts = for at <- 0..3, do: binary_part(whole, at * @mib + at, @mib)
      expected = Enum.map(parts, &:crypto.hash(:sha256, &1))
      code = "import hashlib; [hashlib.sha256(part).digest() for part in parts]"
      bindings = [parts: Enum.map(parts, &Bytes.new/1)]
      for _ <- 1..5, do: assert(PythonxPort.eval!(session, code, bindings: bindings) == expected)
    end

    @tag :segments
    test "of more than there is room for goes through the pipe" do
      session = PythonxPort.start_session(segment_limit: @mib)
      assert arrives?(session, bytes(1, 2 * @mib))
      assert SegmentFiles.of(session) == 0
      for seed <- 1..5, do: assert(arrives?(session, bytes(seed, @mib)))
      assert SegmentFiles.of(session) == @mib
    end

    test "goes through the pipe where files cannot be written", %{session: session} do
      change(session, &%{&1 | directory: "/proc/no-such-process/fd"})

      for seed <- 1..20, size <- [@mib, 9 * @mib], do: assert(arrives?(session, bytes(seed, size)))
      assert upload(session).writing == %{}
      # Each was given back.
      assert SegmentFiles.of(session) <= 16 * @mib
    end

    test "goes through the pipe where descriptors are no files", %{session: session} do
      :sys.replace_state(session, &%{&1 | leases: %{&1.leases | directory: nil}})
      assert arrives?(session, bytes(1, 10 * @mib))
      assert SegmentFiles.of(session) == 0
    end
  end

  describe "what is kept" do
    @tag :numpy
    @tag :segments
    test "is a few open files, for a while", %{session: session} do
      before = SegmentFiles.open_here()
      PythonxPort.exec!(session, "kept = []")

      for seed <- 1..20 do
        data = bytes(seed, 700 * @kib)
        assert arrives?(session, data)
        # As arrays, which keep their segments.
        tensor = Tensor.new(data, {:u, 8}, {700 * @kib})
        PythonxPort.exec!(session, "kept.append(tensor)", bindings: [tensor: tensor])
      end

      assert (SegmentFiles.open_here() - before) in 1..8
      be_idle(session)
      assert SegmentFiles.open_here() == before
      assert arrives?(session, bytes(31, 700 * @kib))
    end

    test "is nothing of large ones", %{session: session} do
      before = SegmentFiles.open_here()
      for seed <- 1..3, do: assert(arrives?(session, bytes(seed, 8 * @mib)))
      assert SegmentFiles.open_here() == before
    end

    @tag :segments
    test "goes with the session", %{session: session} do
      before = SegmentFiles.open_here()
      assert arrives?(session, bytes(1, @mib))
      writers = Enum.map(upload(session).writers, &Process.monitor/1)
      PythonxPort.stop_session(session)
      for writer <- writers, do: assert_receive({:DOWN, ^writer, :process, _pid, _reason})
      assert OSProcess.eventually(fn -> SegmentFiles.open_here() <= before end)
    end

    # Whether files that were dropped had the descriptors that others have now.
    test "is not mixed up when descriptors are used again" do
      session = PythonxPort.start_session(segment_limit: 128 * @mib)

      for seed <- 1..8 do
        assert arrives?(session, bytes(seed, 600 * @kib))
        # There is no room for this beside the segment, whose files are open here.
        result = PythonxPort.eval!(session, "b'x' * (128 << 20)", binaries: :bytes)
        assert byte_size(result) == 128 * @mib
        assert arrives?(session, bytes(seed + 100, 600 * @kib))
        assert SegmentFiles.of(session) <= 128 * @mib
      end
    end
  end

  describe "callers that die" do
    @tag :segments
    test "leave their segment to those who still write it" do
      session = PythonxPort.start_session(segment_limit: 128 * @mib)
      assert arrives?(session, bytes(1, 600 * @kib))
      writers = upload(session).writers
      Enum.each(writers, &:sys.suspend/1)

      {pid, monitor} =
        spawn_monitor(fn ->
          PythonxPort.eval(session, "0", bindings: [other: Bytes.new(bytes(2, 600 * @kib))])
        end)

      assert OSProcess.eventually(fn -> map_size(upload(session).writing) == 1 end)
      Process.exit(pid, :kill)
      assert_receive {:DOWN, ^monitor, _, _, _}
      task = Task.async(fn -> arrives?(session, bytes(3, 600 * @kib)) end)
      assert OSProcess.eventually(fn -> map_size(upload(session).writing) == 2 end)
      assert SegmentFiles.of(session) == 2 * @mib

      Enum.each(writers, &:sys.resume/1)
      assert Task.await(task)
      assert OSProcess.eventually(fn -> :sys.get_state(session).leases.holders == %{} end)
      assert upload(session).writing == %{}
      for seed <- 4..9, do: assert(arrives?(session, bytes(seed, 600 * @kib)))
      assert SegmentFiles.of(session) == 2 * @mib
    end

    @tag :segments
    test "while their data is written spoil nobody else's, and keep nothing" do
      session = PythonxPort.start_session(segment_limit: 256 * @mib)
      data = for seed <- 1..3, size <- [@mib, 24 * @mib], do: bytes(seed, size)

      for turn <- 1..40 do
        for bytes <- data do
          pid = spawn(fn -> PythonxPort.eval(session, "0", bindings: [other: Bytes.new(bytes)]) end)
          if rem(turn, 2) == 0, do: Process.sleep(rem(turn, 5))
          Process.exit(pid, :kill)
        end

        assert arrives?(session, bytes(turn, 20 * @mib))
        assert arrives?(session, bytes(turn, @mib))
      end

      assert OSProcess.eventually(fn -> :sys.get_state(session).leases.holders == %{} end)
      assert upload(session).writing == %{}
      # All is there again.
      assert arrives?(session, bytes(1, 200 * @mib))
      assert SegmentFiles.of(session) in (200 * @mib)..(256 * @mib)
    end
  end

  describe "a session" do
    @tag :segments
    test "does not keep what it passed on", %{session: session} do
      assert arrives?(session, bytes(1, 64 * @mib))
      assert arrives?(session, bytes(1, 5 * @mib))

      for process <- [session | upload(session).writers] do
        assert OSProcess.eventually(fn ->
                 {:binary, binaries} = Process.info(process, :binary)
                 Enum.all?(binaries, fn {_address, size, _count} -> size < @mib end)
               end)
      end
    end
  end

  describe "a writer" do
    defp file do
      path = Path.join(System.tmp_dir!(), "pythonx_port-writer-#{System.unique_integer([:positive])}")
      File.write!(path, "0123456789")
      on_exit(fn -> File.rm(path) end)
      path
    end

    # As the Python process names it.
    defp with_id(path) do
      stat = File.stat!(path)
      {path, {stat.major_device, stat.inode}}
    end

    @missing {"/no/such/file", {1, 1}}

    test "writes where it is told to, and tells" do
      writer = Writer.start_link()
      path = file()
      Writer.write(writer, 7, 1, with_id(path), 2, "ab")
      assert_receive {:written, 7, :ok}
      Writer.write(writer, 8, 1, with_id(path), 8, "cdef")
      assert_receive {:written, 8, :ok}
      Writer.write_once(9, with_id(path), 5, "g")
      assert_receive {:written, 9, :ok}
      assert File.read!(path) == "01ab4g67cdef"
    end

    test "tells what went wrong, and goes on" do
      writer = Writer.start_link()
      Writer.write(writer, 1, 1, @missing, 0, "x")
      assert_receive {:written, 1, {:error, :estale}}
      Writer.write_once(2, @missing, 0, "x")
      assert_receive {:written, 2, {:error, :estale}}
      path = file()
      Writer.write(writer, 3, 1, with_id(path), 0, "x")
      assert_receive {:written, 3, :ok}
    end

    test "does not write into a file with another id" do
      writer = Writer.start_link()
      path = file()
      {path, {device, inode}} = with_id(path)

      for {id, number} <- [{{device + 1, inode}, 1}, {{device, inode + 1}, 2}] do
        Writer.write(writer, number, number, {path, id}, 0, "x")
        assert_receive {:written, ^number, {:error, :estale}}
        Writer.write_once(number, {path, id}, 0, "x")
        assert_receive {:written, ^number, {:error, :estale}}
      end

      assert File.read!(path) == "0123456789"
    end

    test "keeps the files that were written last" do
      writer = Writer.start_link()
      paths = for made <- 1..6, do: {made, file()}

      for {made, path} <- paths do
        Writer.write(writer, made, made, with_id(path), 0, "x")
        assert_receive {:written, ^made, :ok}
        # The first is used all the time.
        Writer.write(writer, 0, 1, @missing, 0, "x")
        assert_receive {:written, 0, :ok}
      end

      {_session, files} = :sys.get_state(writer)
      assert files |> Enum.map(fn {made, _file} -> made end) |> Enum.sort() == [1, 4, 5, 6]
      send(writer, :timeout)
      assert {_session, []} = :sys.get_state(writer)
    end
  end
end
