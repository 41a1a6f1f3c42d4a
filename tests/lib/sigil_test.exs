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

  test "takes the modifier b alone" do
    assert_raise ArgumentError, ~r/takes the modifier b alone, got: x/, fn -> sigil(~S{~P"1"x}) end
    assert_raise ArgumentError, fn -> sigil(~S{~P"1"bb}) end
  end

  test "gives tracebacks the Elixir file and line", %{session: session} do
    code = sigil(~s(:line_10\n~P"""\n  def broken\(\):\n      return missing\n\n  broken\(\)\n  """\n))
    assert {:error, error} = PythonxPort.eval(session, code)
    assert error.traceback =~ ~s(File "lib/my_app/model.ex", line 15, in <module>\n    broken\(\))
    assert error.traceback =~ ~s(File "lib/my_app/model.ex", line 13, in broken\n    return missing)
  end

  describe "with the modifier b" do
    test "has the variables that occur in the code" do
      assert sigil("a = 1\nb = 2\n_ = b\n~P|a + c|b").bindings == %{"a" => 1}
      assert sigil("a = 1\naa = 2\n_ = aa\n~P|f(a.aa1, 'a a2')|b").bindings == %{"a" => 1}
      assert sigil("größe = 1\n~P|größe|b").bindings == %{"größe" => 1}
      assert sigil("a = 1\na = a + 1\n~P|a|b").bindings == %{"a" => 2}
      assert sigil("a = 1\n(fn a -> ~P|a|b end).(a + 5)").bindings == %{"a" => 6}
      assert sigil("_ = 1\n~P|1|b").bindings == %{}
      assert sigil("a = 1\n_ = a\n~P|a|").bindings == %{}
    end

    test "has those in strings and comments, too, which Python ignores", %{session: session} do
      code = sigil("a = 1\nb = 2\nc = <<255>>\n~P|f'{a}', 'b' # c|b")
      assert code.bindings == %{"a" => 1, "b" => 2, "c" => <<255>>}
      assert PythonxPort.eval(session, code) == {:ok, {"1", "b"}}
    end

    test "has no names that Python does not have, or that are not to be used" do
      assert sigil("x? = 1\nx! = 2\n_x = 3\nx = if(x?, do: x!)\n~P|x? x! _x x|b").bindings == %{"x" => 2}
    end

    test "leaves warnings of unused variables as they are" do
      compile = fn body ->
        module = "defmodule SigilTest.M#{System.unique_integer([:positive])} do\n"
        module = module <> "import PythonxPort, only: [sigil_P: 2]\ndef f do\n#{body}\nend\nend"

        ExUnit.CaptureIO.capture_io(:stderr, fn ->
          # As sigil/1: this Elixir may have no sigils of two letters.
          module
          |> String.replace("sigil_P:", "sigil_PY:")
          |> Code.string_to_quoted!()
          |> Macro.prewalk(fn
            {:sigil_P, meta, arguments} -> {:sigil_PY, meta, arguments}
            other -> other
          end)
          |> Code.compile_quoted()
        end)
      end

      assert compile.("a = 1\n~P|a|b") == ""
      assert compile.("_a = 1\n~P|_a|b") == ""
      assert compile.("a = 1\nb = 2\n~P|a|b") =~ ~s(variable "b" is unused)
      assert compile.("a = 1\n~P|a|") =~ ~s(variable "a" is unused)
    end

    test "sees those of the place in which a macro is used, and none of the macro's own" do
      source = """
      defmodule SigilTest.Macros do
        defmacro code do
          quote do
            import PythonxPort, only: [sigil_PY: 2]
            own = 1
            _ = own
            ~P|own + outer|b
          end
        end
      end
      """

      quoted =
        source
        |> Code.string_to_quoted!()
        |> Macro.prewalk(fn
          {:sigil_P, meta, arguments} -> {:sigil_PY, meta, arguments}
          other -> other
        end)

      Code.compile_quoted(quoted)
      {code, _bindings} = Code.eval_string("require SigilTest.Macros\nouter = 7\nSigilTest.Macros.code()")
      assert code.bindings == %{"outer" => 7}

      {code, _bindings} =
        Code.eval_string("require SigilTest.Macros\nown = 5\n_ = own\nSigilTest.Macros.code()")

      assert code.bindings == %{"own" => 5}
    end

    test "works in all functions that take code", %{session: session} do
      code = sigil("n = 20\n~P|[n + i for i in range(2)]|b")
      assert PythonxPort.eval(session, code) == {:ok, [20, 21]}
      assert session |> PythonxPort.async_eval(code) |> PythonxPort.await() == {:ok, [20, 21]}
      assert session |> PythonxPort.stream(code) |> Enum.to_list() == [20, 21]
      assert PythonxPort.exec(session, sigil("n = 3\n~P|kept = n|b")) == {:ok, nil}
      assert PythonxPort.eval(session, "kept, 'n' in globals()") == {:ok, {3, false}}

      assert PythonxPort.eval(session, sigil("n = 1\n~P|def f():\n  return [n for _ in 'a']\nf()|b")) ==
               {:ok, [1]}

      started = PythonxPort.start_session(init: sigil("n = 5\n~P|from_init = n|b"))
      assert PythonxPort.eval(started, "from_init") == {:ok, 5}
    end

    test "explicit bindings come first", %{session: session} do
      code = sigil("n = 1\nm = 2\n~P|n, m|b")
      assert PythonxPort.eval(session, code, bindings: [n: 5]) == {:ok, {5, 2}}
      assert PythonxPort.eval(session, code, bindings: %{"m" => 6}) == {:ok, {1, 6}}
    end

    test "what the code assigns is the session's", %{session: session} do
      assert PythonxPort.eval(session, sigil("n = 1\ntotal = 'elixir'\n~P|total = n + 1\ntotal|b")) ==
               {:ok, 2}

      assert PythonxPort.eval(session, "total") == {:ok, 2}
      assert PythonxPort.eval(session, sigil("total = 9\n~P|total|b")) == {:ok, 9}
      assert PythonxPort.eval(session, "total") == {:ok, 2}
      assert {:error, %Error{type: "NameError"}} = PythonxPort.eval(session, sigil("k = 1\n~P|k += 1|b"))
    end

    test "variables come before builtins of their names", %{session: session} do
      assert PythonxPort.eval(session, sigil("sum = 1\nlist = 2\n~P|sum + list|b")) == {:ok, 3}
      assert {:error, %Error{type: "TypeError"}} = PythonxPort.eval(session, sigil("sum = 1\n~P|sum([1])|b"))
    end

    test "values are those of the run, not of compilation", %{session: session} do
      function = sigil("fn n -> ~P|n + 1|b end")
      assert for(n <- 1..3, do: PythonxPort.eval(session, function.(n))) == [{:ok, 2}, {:ok, 3}, {:ok, 4}]
    end

    test "large values go through shared memory", %{session: session} do
      code = sigil("data = String.duplicate(\"x\", 1_000_000)\n~P|len(data)|b")
      assert PythonxPort.eval(session, code) == {:ok, 1_000_000}
    end

    @tag :numpy
    test "tensors arrive whole, whatever stands beside them", %{session: session} do
      for size <- [1, 100, 20_000, 100_000], pad <- 0..8 do
        tensor = fn first ->
          data = for n <- first..(first + size - 1), into: <<>>, do: <<n::float-64-native>>
          PythonxPort.Tensor.new(data, {:f, 64}, {size})
        end

        source = "int(b[0] + a[0]), int(a[-1]), int(b[-1]), a.size, b.size, c"
        variables = %{"a" => tensor.(1), "b" => tensor.(5), "#{String.duplicate("p", pad)}q" => tensor.(7)}
        code = %{PythonxPort.Code.new(source) | bindings: variables}

        assert PythonxPort.eval(session, code, bindings: [c: String.duplicate("c", pad)]) ==
                 {:ok, {6, size, size + 4, size, size, String.duplicate("c", pad)}}
      end
    end

    test "a value that cannot be sent is named", %{session: session} do
      assert {:error, %Error{kind: :undecodable, message: message}} =
               PythonxPort.eval(session, sigil("data = [<<255>>]\n~P|data|b"))

      assert message =~ ~s(captured["data"][0]: a binary that is not UTF-8)
    end

    test "is shown with its variables" do
      assert inspect(PythonxPort.Code.new("1")) == ~s(%PythonxPort.Code{source: "1"})
      shown = inspect(sigil("a = 1\n~P|a|b"))
      assert shown =~ ~s(bindings: %{"a" => 1})
    end
  end

  if Version.match?(System.version(), ">= 1.15.0") do
    test "is written ~PY", %{session: session} do
      {code, _bindings} =
        Code.eval_string(~S{import PythonxPort, only: [sigil_PY: 2]; ~PY"6 * 7"}, [], file: "a.ex")

      assert code == %PythonxPort.Code{source: "6 * 7", file: "a.ex", line: 1}
      assert PythonxPort.eval(session, code) == {:ok, 42}
      source = ~S{import PythonxPort, only: [sigil_PY: 2]; n = 7; ~PY"6 * n"b}
      {code, _bindings} = Code.eval_string(source)
      assert PythonxPort.eval(session, code) == {:ok, 42}
    end
  end
end
