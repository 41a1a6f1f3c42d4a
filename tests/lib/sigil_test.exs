defmodule PythonxPort.SigilTest do
  # Sigils of two letters need Elixir 1.15. A sigil of one letter has the same form in code that was parsed, so that
  # the tests write ~P, and have it renamed; a last one uses the real sigil if this Elixir has it.
  use PythonxPort.SessionCase, async: true

  defp sigil(source) do
    sigil =
      source
      |> Code.string_to_quoted!(line: 10)
      |> Macro.prewalk(fn
        {:sigil_P, meta, arguments} -> {:sigil_PY, meta, arguments}
        other -> other
      end)

    code =
      quote do
        import PythonxPort, only: [sigil_PY: 2]
        unquote(sigil)
      end

    {value, _bindings} = Code.eval_quoted(code, [], file: "lib/my_app/model.ex")
    value
  end

  test "knows its file and line" do
    assert sigil(~S{~P"1 + 1"}) == %PythonxPort.Code{source: "1 + 1", file: "lib/my_app/model.ex", line: 10}
    assert %{line: 12} = sigil("x = 1\ny = 2\n_ = {x, y}; ~P|3|")
  end

  test "as a heredoc begins on the next line, without its indentation" do
    assert sigil(~s(~P"""\n  def f\(\):\n      pass\n  """\n)) == %PythonxPort.Code{
             source: "def f():\n    pass\n",
             file: "lib/my_app/model.ex",
             line: 11
           }
  end

  test "does not interpolate or unescape" do
    text = "'\#{x}\\n' % ()"
    assert sigil("~P|" <> text <> "|").source == text
  end

  test "takes no modifiers" do
    assert_raise FunctionClauseError, fn -> sigil(~S{~P"1"x}) end
  end

  test "gives tracebacks the Elixir file and line", %{session: session} do
    code = sigil(~s(:line_10\n~P"""\n  def broken\(\):\n      return missing\n\n  broken\(\)\n  """\n))
    assert {:error, error} = PythonxPort.eval(session, code)
    assert error.traceback =~ ~s(File "lib/my_app/model.ex", line 15, in <module>\n    broken\(\))
    assert error.traceback =~ ~s(File "lib/my_app/model.ex", line 13, in broken\n    return missing)
  end

  if Version.match?(System.version(), ">= 1.15.0") do
    test "is written ~PY", %{session: session} do
      {code, _bindings} =
        Code.eval_string(~S{import PythonxPort, only: [sigil_PY: 2]; ~PY"6 * 7"}, [], file: "a.ex")

      assert code == %PythonxPort.Code{source: "6 * 7", file: "a.ex", line: 1}
      assert PythonxPort.eval(session, code) == {:ok, 42}
    end
  end
end
