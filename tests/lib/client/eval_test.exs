defmodule PythonxPort.Client.EvalTest do
  use PythonxPort.SessionCase, async: true

  describe "the value" do
    test "is that of an expression", %{session: session} do
      assert PythonxPort.eval(session, "1 + 1") == {:ok, 2}
    end

    test "is that of the last expression of a block", %{session: session} do
      assert PythonxPort.eval(session, "x = 20\ny = 22\nx + y") == {:ok, 42}
    end

    test "is nil where the last statement is no expression", %{session: session} do
      assert PythonxPort.eval(session, "'lost'\nx = 1") == {:ok, nil}
      assert PythonxPort.eval(session, "if True:\n    5") == {:ok, nil}
    end

    test "is nil where there is no code", %{session: session} do
      for code <- ["", "\n", "   ", "# a remark", "\n\n  \n# a remark\n"] do
        assert PythonxPort.eval(session, code) == {:ok, nil}
      end
    end

    test "may span lines, and be followed by a remark", %{session: session} do
      assert PythonxPort.eval(session, "(1 +\n 2)  # three") == {:ok, 3}
      assert PythonxPort.eval(session, "a = 1; b = 2; a + b;") == {:ok, 3}
    end

    test "is that of code with characters of any alphabet", %{session: session} do
      assert PythonxPort.eval(session, "größe = 'Ωmega 🐍'; größe") == {:ok, "Ωmega 🐍"}
    end
  end

  describe "code" do
    test "that is indented as a whole loses that indentation", %{session: session} do
      code = "\n    def double(x):\n        return 2 * x\n\n    double(21)\n    "
      assert PythonxPort.eval(session, code) == {:ok, 42}
      assert PythonxPort.eval(session, "\tx = 1\n\tx + 1") == {:ok, 2}
      assert PythonxPort.eval(session, "  x = 1\r\n  x + 2\r\n") == {:ok, 3}
    end

    test "with an indented line among others stays as it is", %{session: session} do
      assert {:error, %Error{kind: :syntax, type: "IndentationError"}} =
               PythonxPort.eval(session, "    x = 1\ny = 2")

      assert PythonxPort.eval(session, "text = '''\n  two\n    four\n'''\ntext") ==
               {:ok, "\n  two\n    four\n"}
    end

    test "may be a PythonxPort.Code", %{session: session} do
      assert PythonxPort.eval(session, PythonxPort.Code.new("6 * 7")) == {:ok, 42}
      assert PythonxPort.eval(session, PythonxPort.Code.new("  6 * 7", file: "a.py", line: 3)) == {:ok, 42}
    end

    test "that is long and repeated gives the same each time", %{session: session} do
      code = "total = 0\n" <> String.duplicate("total += 1\n", 20_000) <> "total"
      assert PythonxPort.eval(session, code) == {:ok, 20_000}
      assert PythonxPort.eval(session, code) == {:ok, 20_000}
    end

    test "is Python's __main__", %{session: session} do
      assert PythonxPort.eval(session, "class A: pass\n(__name__, A.__module__)") ==
               {:ok, {"__main__", "__main__"}}
    end
  end

  describe "arguments" do
    test "are session, code and options", %{session: session} do
      assert PythonxPort.eval(session, "n + 1", bindings: %{"n" => 1}) == {:ok, 2}
    end

    test "that are mixed up are refused", %{session: session} do
      assert_raise ArgumentError, fn -> PythonxPort.eval(session) end
      assert_raise ArgumentError, fn -> PythonxPort.eval(session, timeout: 1) end
      assert_raise ArgumentError, fn -> PythonxPort.eval("1", [], timeout: 1) end
      assert_raise ArgumentError, fn -> PythonxPort.eval(session, :code) end
      assert_raise ArgumentError, fn -> PythonxPort.eval(session, ~c"1 + 1") end
    end

    test "that are no options are refused in the calling process", %{session: session} do
      for options <- [
            [tiemout: 1],
            [timeout: -1],
            [timeout: nil],
            [bindings: 5],
            [bindings: [a: 1, a: 2]],
            [bindings: %{:a => 1, "a" => 2}],
            [bindings: %{1 => 2}],
            [bindings: [nil: 1]],
            [return: :object],
            [binaries: :text],
            [file: :a],
            [line: 3],
            [file: "a.py", line: 0],
            [output: :elsewhere],
            [output: fn _text -> :ok end]
          ] do
        assert_raise ArgumentError, fn -> PythonxPort.eval(session, "1", options) end
      end
    end
  end

  describe "bindings" do
    test "with a name that Python does not have are refused", %{session: session} do
      assert {:error, %Error{kind: :bad_request, message: message}} =
               PythonxPort.eval(session, "1", bindings: [{"no name", 1}])

      assert message =~ "no name"
    end

    test "need no quotes, whatever is in them", %{session: session} do
      for text <- ["'", ~s("), "'''", ~s("""), "\\", "\n", "\0", "\#{x}", "'); import os; os._exit(1); ('"] do
        assert PythonxPort.eval(session, "text", bindings: [text: text]) == {:ok, text}
      end
    end
  end

  describe "a timeout" do
    test "is an error, and ends the request", %{session: session} do
      code = Gate.wait(Gate.new()) <> "done = True"
      assert {:error, %Error{kind: :timeout}} = PythonxPort.eval(session, code, timeout: 20)
      assert PythonxPort.eval(session, "'done' in globals()") == {:ok, false}
    end

    test "leaves no late message behind", %{session: session} do
      assert {:error, %Error{kind: :timeout}} = PythonxPort.eval(session, Gate.wait(Gate.new()), timeout: 0)
      assert PythonxPort.eval(session, "1") == {:ok, 1}
      refute_received _anything
    end

    test "of :infinity is none", %{session: session} do
      assert PythonxPort.eval(session, "1", timeout: :infinity) == {:ok, 1}
    end
  end

  test "eval! returns the value or raises", %{session: session} do
    assert PythonxPort.eval!(session, "1 + 1") == 2
    assert PythonxPort.eval!(session, "n", bindings: [n: 3]) == 3
    error = assert_raise Error, fn -> PythonxPort.eval!(session, "{}['key']") end
    assert error.type == "KeyError"
    assert Exception.message(error) =~ ~s(File "<eval)
  end
end
