defmodule PythonxPort.BindingsTest do
  use PythonxPort.SessionCase, async: true

  alias PythonxPort.Tensor

  @kib 1024

  describe "bindings" do
    test "are names of the request's own", %{session: session} do
      assert PythonxPort.eval(session, "a + b", bindings: [a: 1, b: 2]) == {:ok, 3}
      assert PythonxPort.eval(session, "[n for n in ('a', 'b') if n in globals()]") == {:ok, []}
      assert {:error, %Error{type: "NameError"}} = PythonxPort.eval(session, "a")
    end

    test "leave what the code assigns, imports and defines", %{session: session} do
      code = """
      import json as codec
      total = a + b
      def later(n): return n + a
      """

      assert PythonxPort.exec(session, code, bindings: [a: 1, b: 2]) == {:ok, nil}
      assert PythonxPort.eval(session, "total, later(1), codec.dumps([])") == {:ok, {3, 2, "[]"}}
    end

    test "do not change a variable of the session", %{session: session} do
      PythonxPort.exec!(session, "x = 'old'")
      assert PythonxPort.eval(session, "x = x + 1\nx", bindings: [x: 1]) == {:ok, 2}
      assert PythonxPort.eval(session, "x") == {:ok, "old"}
    end

    test "are seen by functions, comprehensions, classes and coroutines", %{session: session} do
      code = """
      import asyncio
      def function(): return x
      class Type:
        def method(self): return x
      async def coroutine():
        await asyncio.sleep(0)
        return x
      [function(), Type().method(), await coroutine(), *[x for _ in range(1)], (lambda: x)(), eval("x")]
      """

      assert PythonxPort.eval(session, code, bindings: [x: "seen"]) == {:ok, List.duplicate("seen", 6)}
    end

    test "of concurrent requests do not mix", %{session: session} do
      code = "import asyncio\nawait asyncio.sleep(0.05)\nx"

      tasks =
        for n <- 1..5,
            do: PythonxPort.async_eval(session, code, bindings: [x: "user #{n}"], concurrent: true)

      assert Enum.map(tasks, &PythonxPort.await!/1) == for(n <- 1..5, do: "user #{n}")
    end

    test "of two streams do not mix", %{session: session} do
      code = "(f'{x} {i}' for i in range(3))"
      [a, b] = for x <- ["a", "b"], do: PythonxPort.stream(session, code, bindings: [x: x], demand: 1)

      assert a |> Stream.zip(b) |> Enum.to_list() == [{"a 0", "b 0"}, {"a 1", "b 1"}, {"a 2", "b 2"}]
    end

    test "are passed to code of a sigil with its place", %{session: session} do
      code = "1 / zero"
      options = [bindings: [zero: 0], file: "lib/some.ex", line: 7]

      for _ <- 1..2 do
        assert {:error, %Error{traceback: traceback}} = PythonxPort.eval(session, code, options)
        assert traceback =~ ~s(File "lib/some.ex", line 7, in <module>\n    1 / zero\n)
      end
    end

    test "with a keyword for a name are refused", %{session: session} do
      assert {:error, %Error{kind: :bad_request, message: message}} =
               PythonxPort.eval(session, "1", bindings: [if: 1])

      assert message =~ "'if' is a word of Python's own"
    end

    test "do not take memory once their request is done" do
      PythonxPort.session(fn session ->
        data = :binary.copy(<<1>>, 50 * @kib * @kib)

        send_many = fn count ->
          for _ <- 1..count,
              do: PythonxPort.eval!(session, "len(data)", bindings: [data: PythonxPort.Bytes.new(data)])

          PythonxPort.info!(session).memory
        end

        before = send_many.(10)
        assert send_many.(30) < before * 1.05
      end)
    end
  end

  describe "assign" do
    test "sets variables of the session", %{session: session} do
      assert PythonxPort.assign(session, a: 1, b: ["x"]) == {:ok, nil}
      assert PythonxPort.eval(session, "def f(): return a\nf(), b") == {:ok, {1, ["x"]}}
      assert PythonxPort.assign!(session, %{"a" => 2}) == nil
      assert PythonxPort.eval(session, "f()") == {:ok, 2}
    end

    test "takes options", %{session: session} do
      assert PythonxPort.assign(session, [a: "x"], binaries: :bytes, timeout: 5_000) == {:ok, nil}
      assert PythonxPort.eval(session, "type(a).__name__") == {:ok, "bytes"}
      assert_raise ArgumentError, fn -> PythonxPort.assign(session, [a: 1], bindings: [b: 1]) end
    end

    test "sets all or none", %{session: session} do
      assert {:error, %Error{kind: :bad_request}} = PythonxPort.assign(session, [{"a", 1}, {"no name", 2}])
      assert {:error, %Error{type: "NameError"}} = PythonxPort.eval(session, "a")
    end

    test "takes large values through shared memory", %{session: session} do
      data = :binary.copy(<<1, 2, 3, 4>>, 512 * @kib)
      assert PythonxPort.assign(session, t: Tensor.new(data, {:u, 8}, {byte_size(data)})) == {:ok, nil}
      assert PythonxPort.eval(session, "len(t), int(t[-1])") == {:ok, {byte_size(data), 4}}
    end
  end

  describe "code of 600 KiB" do
    setup do
      %{code: String.duplicate("# a line of twenty\n", 33_000) <> "x = 5\nrange(x)"}
    end

    test "is evaluated, executed and streamed", %{session: session, code: code} do
      assert byte_size(code) > 600 * @kib
      assert PythonxPort.eval(session, code <> "[-1]") == {:ok, 4}
      assert PythonxPort.eval(session, code <> "[-n]", bindings: [n: 2]) == {:ok, 3}
      assert PythonxPort.exec(session, code) == {:ok, nil}
      assert session |> PythonxPort.stream(code) |> Enum.sum() == 10
    end

    test "may start a session", %{code: code} do
      PythonxPort.session([init: code], fn session ->
        assert PythonxPort.eval(session, "x") == {:ok, 5}
      end)
    end
  end
end
