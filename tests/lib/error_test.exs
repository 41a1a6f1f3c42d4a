defmodule PythonxPort.ErrorTest do
  use PythonxPort.SessionCase, async: true

  describe "an exception" do
    test "has its type, message and traceback with source lines", %{session: session} do
      code = "def half(n):\n    return n / 0\n\nhalf(1)"
      assert {:error, %Error{kind: :exception} = error} = PythonxPort.eval(session, code)
      assert error.type == "ZeroDivisionError"
      assert error.message == "division by zero"
      assert error.traceback =~ "Traceback (most recent call last):\n"
      assert error.traceback =~ ~r/line 4, in <module>\n    half\(1\)\n/
      assert error.traceback =~ ~r/line 2, in half\n    return n \/ 0\n/
      assert String.ends_with?(error.traceback, "ZeroDivisionError: division by zero\n")
      assert {error.exit_status, error.signal} == {nil, nil}
    end

    test "shows the lines of code from earlier requests, too", %{session: session} do
      PythonxPort.exec!(session, "def first():\n    raise LookupError('from before')")
      PythonxPort.exec!(session, "def second():\n    first()")
      assert {:error, error} = PythonxPort.eval(session, "second()")
      assert error.traceback =~ "in second\n    first()"
      assert error.traceback =~ "in first\n    raise LookupError('from before')"
    end

    test "shows what caused it", %{session: session} do
      code =
        "try:\n    {}['missing']\nexcept KeyError as error:\n    raise RuntimeError('no entry') from error"

      assert {:error, %Error{type: "RuntimeError", traceback: traceback}} = PythonxPort.exec(session, code)
      assert traceback =~ "KeyError: 'missing'"
      assert traceback =~ "direct cause"
    end

    test "has a qualified type outside of builtins", %{session: session} do
      assert {:error, %Error{type: "json.decoder.JSONDecodeError"}} =
               PythonxPort.call(session, "json.loads", ["{"])

      PythonxPort.exec!(session, "class Mine(Exception): pass")
      assert {:error, %Error{type: "Mine", message: "a, b"}} = PythonxPort.exec(session, "raise Mine('a, b')")
    end

    test "may have any text, or none", %{session: session} do
      assert {:error, %Error{message: "größer 🐍"}} = PythonxPort.exec(session, "raise ValueError('größer 🐍')")
      assert {:error, %Error{message: ""} = silent} = PythonxPort.exec(session, "raise ValueError")
      assert Exception.message(silent) =~ ~r/\AValueError\n\n/
      assert {:error, %Error{message: "\\ud800"}} = PythonxPort.exec(session, "raise ValueError('\\ud800')")
      assert {:error, %Error{message: long}} = PythonxPort.exec(session, "raise ValueError('x' * 1_000_000)")
      assert byte_size(long) == 1_000_000
    end

    test "that cannot be shown is still an error", %{session: session} do
      code = "class Mute(Exception):\n    def __str__(self): raise TypeError('no text')\nraise Mute"
      assert {:error, %Error{kind: :exception, type: "Mute"}} = PythonxPort.exec(session, code)
    end

    test "may be one that ends programs", %{session: session} do
      assert {:error, %Error{kind: :exception, type: "SystemExit"}} =
               PythonxPort.exec(session, "import sys; sys.exit(3)")

      assert {:error, %Error{type: "SystemExit", message: "bye"}} =
               PythonxPort.exec(session, "raise SystemExit('bye')")

      assert {:error, %Error{type: "KeyboardInterrupt"}} =
               PythonxPort.exec(session, "raise KeyboardInterrupt")

      assert {:error, %Error{type: "GeneratorExit"}} = PythonxPort.exec(session, "raise GeneratorExit")
      assert PythonxPort.eval(session, "1") == {:ok, 1}
    end

    test "may be for want of stack or memory", %{session: session} do
      assert {:error, %Error{type: "RecursionError"}} = PythonxPort.exec(session, "def f(): f()\nf()")
      assert {:error, %Error{type: "MemoryError"}} = PythonxPort.exec(session, "bytearray(1 << 62)")
      assert PythonxPort.eval(session, "1") == {:ok, 1}
    end
  end

  describe "code that does not compile" do
    test "is an error of kind :syntax that shows the line", %{session: session} do
      assert {:error, %Error{kind: :syntax, type: "SyntaxError"} = error} =
               PythonxPort.eval(session, "x = 1\ny = (2")

      assert error.traceback =~ "line 2"
      assert error.traceback =~ "y = (2"

      assert {:error, %Error{kind: :syntax, type: "IndentationError"}} =
               PythonxPort.exec(session, "if True:\nx = 1")
    end

    test "is one only where it is the request's own", %{session: session} do
      assert {:error, %Error{kind: :exception, type: "SyntaxError"}} = PythonxPort.eval(session, "eval('(')")
    end

    test "may hold a NUL or no UTF-8", %{session: session} do
      assert {:error, %Error{kind: :syntax}} = PythonxPort.eval(session, "1\0")
      assert {:error, %Error{kind: :undecodable}} = PythonxPort.eval(session, <<"'", 255, "'">>)
    end
  end

  describe "a place" do
    test "given by :file and :line is in the traceback", %{session: session} do
      assert {:error, error} = PythonxPort.exec(session, "x = 1\nmissing", file: "lib/models.ex", line: 40)
      assert error.traceback =~ ~s(File "lib/models.ex", line 41)
      assert error.traceback =~ "\n    missing\n"
    end

    test "is that of a syntax error, too", %{session: session} do
      code = PythonxPort.Code.new("x = 1\nx = = 2", file: "lib/models.ex", line: 7)
      assert {:error, %Error{kind: :syntax, traceback: traceback}} = PythonxPort.exec(session, code)
      assert traceback =~ ~s(File "lib/models.ex", line 8)
      assert traceback =~ "x = = 2"
    end

    test "given as an option comes before that of the code", %{session: session} do
      code = PythonxPort.Code.new("missing", file: "a.ex", line: 7)
      assert {:error, %Error{traceback: traceback}} = PythonxPort.exec(session, code, file: "b.ex")
      assert traceback =~ ~s(File "b.ex", line 7)
    end
  end

  describe "as an exception" do
    test "its message has the traceback", %{session: session} do
      error = assert_raise Error, fn -> PythonxPort.exec!(session, "[][1]") end
      assert Exception.message(error) =~ ~r/\AIndexError: list index out of range\n\nTraceback/
      refute Exception.message(error) =~ ~r/\n\z/
    end

    test "its message says type and message once", %{session: session} do
      for {code, headline, ending} <- [
            {"1 / 0", "ZeroDivisionError: division by zero", ~r{1 / 0(\n *~~\^~~)?\z}},
            {"raise ValueError('a\\nb')", "ValueError: a\nb", ~r{raise ValueError\(.*\)\z}},
            {"raise ValueError('a\\n')", "ValueError: a", ~r{raise ValueError\(.*\)\z}},
            {"raise ValueError", "ValueError", ~r{raise ValueError\z}},
            {"import json; json.loads('{')", "json.decoder.JSONDecodeError: Expecting property name", ~r/\S/},
            {"x = (", "SyntaxError: '(' was never closed", ~r{x = \(\n +\^\z}},
            {"error = ValueError('a')\nerror.add_note('a note')\nraise error", "ValueError: a",
             ~r{\na note\z}}
          ] do
        error = assert_raise Error, fn -> PythonxPort.exec!(session, code) end
        message = Exception.message(error)
        assert String.starts_with?(message, headline)
        assert message =~ ending
        assert [_once] = Regex.scan(~r/^#{Regex.escape(headline)}/m, message)
        assert message =~ ~r/\A[^\n]*(\nb)?\n\n(Traceback|  File)/
      end
    end

    test "its message keeps the exceptions before it", %{session: session} do
      code = "try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise KeyError('b')"
      message = Exception.message(assert_raise Error, fn -> PythonxPort.exec!(session, code) end)
      assert message =~ ~r/\AKeyError: 'b'\n\nTraceback/
      assert message =~ "ZeroDivisionError: division by zero\n\nDuring handling"
      refute message =~ ~r/KeyError: 'b'.*KeyError: 'b'/s
    end

    test "its message has that of a group once", %{session: session} do
      code = "raise ExceptionGroup('many', [ValueError('a'), ValueError('b')])"
      message = Exception.message(assert_raise Error, fn -> PythonxPort.exec!(session, code) end)
      assert message =~ ~r/\AExceptionGroup: many \(2 sub-exceptions\)\n\n  \+ Exception Group Traceback/
      assert [_once] = Regex.scan(~r/ExceptionGroup: many/, message)
      assert message =~ "ValueError: a" and message =~ "ValueError: b"
    end

    test "it can be logged and matched like any other" do
      error = %Error{kind: :crashed, message: "gone", signal: :sigsegv}
      assert Exception.message(error) == "gone"
      assert %{__exception__: true} = error
    end
  end
end
