defmodule PythonxPort.Client.StreamTest do
  use PythonxPort.SessionCase, async: true

  import ExUnit.CaptureIO

  # A generator that reports to this process how far it is, and when it ends.
  @counter """
  import erlang

  def count(test, limit):
      n = 0
      try:
          while n < limit:
              n += 1
              erlang.send(test, ("made", n))
              yield n
      finally:
          erlang.send(test, "closed")

  count(test, limit)
  """

  defp counter(session, limit, options \\ []) do
    PythonxPort.stream(session, @counter, [bindings: [test: self(), limit: limit]] ++ options)
  end

  # How many items Python has made, once it makes no more.
  defp made(so_far \\ 0) do
    receive do
      {"made", n} -> made(n)
    after
      100 -> so_far
    end
  end

  test "gives items as they are iterated", %{session: session} do
    assert session |> PythonxPort.stream("range(5)") |> Enum.to_list() == [0, 1, 2, 3, 4]

    assert session |> PythonxPort.stream("[1, 'a', None, {'k': (1,)}]") |> Enum.to_list() == [
             1,
             "a",
             nil,
             %{"k" => {1}}
           ]

    assert session |> PythonxPort.stream("'abc'") |> Enum.to_list() == ["a", "b", "c"]
    assert session |> PythonxPort.stream("[]") |> Enum.to_list() == []
    assert session |> PythonxPort.stream("x = 5\n(x * n for n in range(3))") |> Enum.to_list() == [0, 5, 10]
    assert session |> PythonxPort.stream("[[1, 2], [], [3]]") |> Enum.to_list() == [[1, 2], [], [3]]
  end

  test "takes the default session, and options without one" do
    assert PythonxPort.stream("range(3)") |> Enum.sum() == 3
    assert PythonxPort.stream("range(n)", bindings: [n: 4]) |> Enum.sum() == 6
    assert PythonxPort.stream(:default, "range(n)", bindings: [n: 5]) |> Enum.sum() == 10
    PythonxPort.stop_session(:default)
  end

  test "of 100,000 items is whole and in order", %{session: session} do
    assert session |> PythonxPort.stream("range(100_000)") |> Enum.to_list() == Enum.to_list(0..99_999)
  end

  test "is lazy, and runs anew each time", %{session: session} do
    stream = PythonxPort.stream(session, "runs = globals().get('runs', 0) + 1\nrange(runs)")
    assert PythonxPort.eval(session, "'runs' in globals()") == {:ok, false}
    assert Enum.to_list(stream) == [0]
    assert Enum.to_list(stream) == [0, 1]
  end

  test "of an asynchronous generator", %{session: session} do
    code = """
    import asyncio

    async def numbers():
        for n in range(5):
            await asyncio.sleep(0)
            yield n

    numbers()
    """

    assert session |> PythonxPort.stream(code) |> Enum.to_list() == [0, 1, 2, 3, 4]
  end

  test "does not keep an item back", %{session: session} do
    gate = Gate.new()
    code = "def items():\n    yield 'first'\n    exec(wait)\n    yield 'second'\nitems()"
    stream = PythonxPort.stream(session, code, bindings: [wait: Gate.wait(gate)])

    assert Enum.map(stream, fn item ->
             if item == "first", do: Gate.open(gate)
             item
           end) == ["first", "second"]
  end

  describe "demand" do
    test "keeps Python from running far ahead", %{session: session} do
      for demand <- [1, 2, 7] do
        {_status, continue} = suspended(counter(session, 1_000, demand: demand))
        assert made() in demand..(2 * demand)
        continue.({:halt, nil})
        assert_receive "closed"
      end
    end

    test "is granted again as items are taken", %{session: session} do
      for demand <- [1, 2, 3, 50], do: assert(Enum.sum(counter(session, 500, demand: demand)) == 125_250)
    end

    test "that is wrong is refused", %{session: session} do
      for demand <- [0, -1, 1.5, :all, nil] do
        assert_raise ArgumentError, fn -> PythonxPort.stream(session, "[]", demand: demand) end
      end
    end

    test "leaves others their turn", %{session: session} do
      {_status, continue} = suspended(counter(session, 1_000_000, demand: 2))
      assert PythonxPort.eval(session, "1 + 1") == {:ok, 2}
      continue.({:halt, nil})
    end

    defp suspended(stream) do
      {:suspended, item, continue} =
        Enumerable.reduce(stream, {:cont, nil}, fn item, _none -> {:suspend, item} end)

      assert item == 1
      {:suspended, continue}
    end
  end

  describe "a stream that is not read to its end" do
    test "is closed before the enumeration returns", %{session: session} do
      assert Enum.take(counter(session, 1_000_000), 3) == [1, 2, 3]
      assert_received "closed"
      assert PythonxPort.eval(session, "1") == {:ok, 1}
      assert :sys.get_state(session).pending == %{}
    end

    test "is closed where the consumer raises, throws or exits", %{session: session} do
      for leave <- [fn -> raise "oops" end, fn -> throw(:oops) end, fn -> exit(:oops) end] do
        try do
          Enum.each(counter(session, 1_000_000), fn
            5 = _item -> leave.()
            _other -> :ok
          end)
        catch
          _kind, _reason -> :caught
        end

        assert_received "closed"
      end
    end

    test "is closed where the consumer dies", %{session: session} do
      stream = counter(session, 1_000_000)
      consumer = spawn(fn -> Enum.each(stream, fn _item -> Process.sleep(:infinity) end) end)
      assert_receive {"made", 1}
      Process.exit(consumer, :kill)
      assert_receive "closed"
      assert PythonxPort.eval(session, "1") == {:ok, 1}
    end

    test "leaves no message behind", %{session: session} do
      for n <- 1..20,
          do: assert(session |> PythonxPort.stream("range(10_000)") |> Enum.take(n) |> length() == n)

      refute_received _anything
      assert Process.info(self(), :monitors) == {:monitors, []}
    end

    @tag :capture_log
    test "and does not end ends with the process", %{session: session} do
      monitor = Process.monitor(session)
      code = "import itertools\ndef items():\n    yield 1\n    sum(itertools.repeat(0))\nitems()"
      assert session |> PythonxPort.stream(code, grace: 50) |> Enum.take(1) == [1]
      assert_receive {:DOWN, ^monitor, :process, ^session, {%Error{kind: :crashed}, _stack}}
    end
  end

  describe "errors" do
    test "raise when their turn has come", %{session: session} do
      code = "def items():\n    yield 1\n    yield 2\n    raise ValueError('no three')\nitems()"
      test = self()

      error =
        assert_raise Error, fn ->
          session |> PythonxPort.stream(code) |> Enum.each(&send(test, {:item, &1}))
        end

      assert {error.kind, error.type, error.message} == {:exception, "ValueError", "no three"}
      assert error.traceback =~ "in items"
      assert_received {:item, 1}
      assert_received {:item, 2}
      refute_received _anything
    end

    test "are those of other requests", %{session: session} do
      for {code, kind} <- [{"1 +", :syntax}, {"5", :exception}, {"[1, object()]", :unencodable}] do
        assert %Error{kind: ^kind} = catch_error(session |> PythonxPort.stream(code) |> Enum.to_list())
      end

      assert PythonxPort.eval(session, "1") == {:ok, 1}
    end

    test "of sessions that are gone, or go", %{session: session} do
      stream = PythonxPort.stream(session, "import os\n(os._exit(3) if n == 3 else n for n in range(9))")

      ExUnit.CaptureLog.capture_log(fn ->
        assert %Error{kind: :crashed} = catch_error(Enum.to_list(stream))
      end)

      assert %Error{kind: :not_running} = catch_error(Enum.to_list(stream))
    end

    test "of a timeout, which is that of the whole", %{session: session} do
      stream = counter(session, 1_000_000_000, timeout: 100, demand: 1_000)
      assert %Error{kind: :timeout} = catch_error(Stream.run(stream))
      assert_receive "closed"
      assert PythonxPort.eval(session, "1", timeout: 5_000) == {:ok, 1}
    end

    test "of options, at once", %{session: session} do
      for options <- [[tiemout: 1], [timeout: -1], [return: :ref], [bindings: 5], [concurrent: true]] do
        assert_raise ArgumentError, fn -> PythonxPort.stream(session, "[]", options) end
      end
    end

    test "of a process that goes on with another's stream", %{session: session} do
      {:suspended, continue} = suspended(counter(session, 10, demand: 1))
      Task.async(fn -> assert_raise ArgumentError, fn -> continue.({:cont, nil}) end end) |> Task.await()
      continue.({:halt, nil})
    end
  end

  describe "several streams" do
    test "are read in turns", %{session: session} do
      {numbers, letters} =
        {PythonxPort.stream(session, "range(26)"), PythonxPort.stream(session, "map(chr, range(97, 123))")}

      assert Enum.zip(numbers, letters) == Enum.zip(0..25, Enum.map(?a..?z, &<<&1>>))
      assert numbers |> Stream.zip(numbers) |> Enum.take(2) == [{0, 0}, {1, 1}]

      assert Enum.zip([counter(session, 2_000, demand: 3), counter(session, 2_000), 1..2_000]) |> length() ==
               2_000
    end

    test "are nested", %{session: session} do
      pairs =
        for n <- PythonxPort.stream(session, "range(5)", demand: 1),
            m <- PythonxPort.stream(session, "range(n)", bindings: [n: n], demand: 1),
            do: {n, m}

      assert pairs == for(n <- 0..4, m <- 0..(n - 1)//1, do: {n, m})
    end

    test "belong to several processes", %{session: session} do
      sums =
        1..20
        |> Task.async_stream(
          fn n ->
            session |> PythonxPort.stream("range(n * 100)", bindings: [n: n], demand: n) |> Enum.sum()
          end,
          max_concurrency: 20
        )
        |> Enum.map(fn {:ok, sum} -> sum end)

      # Bindings are the session's: each stream has read them when it began.
      assert sums == for(n <- 1..20, do: div(n * 100 * (n * 100 - 1), 2))
    end

    test "are used along with other requests", %{session: session} do
      PythonxPort.exec!(session, "def double(n): return 2 * n")

      doubled =
        for n <- PythonxPort.stream(session, "range(200)", demand: 4),
            do: PythonxPort.call!(session, "double", [n])

      assert doubled == for(n <- 0..199, do: 2 * n)
    end
  end

  test "output goes to where it belongs", %{session: session} do
    code = "def items():\n    for n in range(3):\n        print(n)\n        yield n\nitems()"
    assert capture_io(fn -> session |> PythonxPort.stream(code) |> Stream.run() end) == "0\n1\n2\n"
    session |> PythonxPort.stream(code, output: self()) |> Stream.run()
    for n <- 0..2, text = "#{n}\n", do: assert_received({:pythonx_output, ^session, :stdout, ^text})
  end

  test "bindings and binaries are as of eval", %{session: session} do
    code = "(type(x).__name__ for _ in range(2))"
    assert session |> PythonxPort.stream(code, bindings: [x: "a"]) |> Enum.to_list() == ["str", "str"]

    assert session |> PythonxPort.stream(code, bindings: [x: "a"], binaries: :bytes) |> Enum.to_list() == [
             "bytes",
             "bytes"
           ]
  end

  test "large items come through shared memory, which is given back", %{session: session} do
    code = "(bytes([n]) * (2 << 20) for n in range(40))"

    for {item, n} <- session |> PythonxPort.stream(code, demand: 4) |> Stream.with_index() do
      assert item == :binary.copy(<<n>>, 2 * 1024 * 1024)
    end

    assert session |> PythonxPort.stream(code, demand: 4) |> Enum.take(3) |> length() == 3
    assert OSProcess.eventually(fn -> :sys.get_state(session).leases.holders == %{} end)
  end

  @tag :numpy
  test "tensors are items", %{session: session} do
    code = "import numpy as np\n(np.full((512, 600), n, dtype='f8') for n in range(5))"

    for {tensor, n} <- session |> PythonxPort.stream(code) |> Stream.with_index() do
      assert %PythonxPort.Tensor{
               shape: {512, 600},
               type: {:f, 64},
               data: <<first::float-64-native, _::binary>>
             } = tensor

      assert first == n
    end
  end

  test "a stream under way is stopped with its session", %{session: session} do
    {:suspended, continue} = suspended(counter(session, 1_000_000, demand: 2))
    assert PythonxPort.stop_session(session) == :ok
    assert %Error{kind: kind} = catch_error(continue.({:cont, nil}) |> elem(2) |> run_out())
    assert kind in [:shutdown, :cancelled]
  end

  defp run_out(continue) do
    {:suspended, _item, continue} = continue.({:cont, nil})
    run_out(continue)
  end
end
