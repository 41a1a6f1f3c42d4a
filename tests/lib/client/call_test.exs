defmodule PythonxPort.Client.CallTest do
  use PythonxPort.SessionCase, async: true

  test "a function of the session", %{session: session} do
    PythonxPort.exec!(session, "def add(a, b=10): return a + b")
    assert PythonxPort.call(session, "add", [1]) == {:ok, 11}
    assert PythonxPort.call(session, "add", [1, 2]) == {:ok, 3}
    assert PythonxPort.call(session, "add", [1], b: 5) == {:ok, 6}
    assert PythonxPort.call(session, "add", [], %{"a" => 1, "b" => 2}) == {:ok, 3}
  end

  test "a function of a module, which is imported when needed", %{session: session} do
    assert PythonxPort.call(session, "math.sqrt", [2.25]) == {:ok, 1.5}
    assert PythonxPort.call(session, "os.path.join", ["a", "b"]) == {:ok, "a/b"}
    assert PythonxPort.call(session, "xml.etree.ElementTree.iselement", [1]) == {:ok, false}
    assert PythonxPort.eval(session, "'math' in globals()") == {:ok, false}
  end

  test "a builtin, a class and a method", %{session: session} do
    assert PythonxPort.call(session, "len", [[1, 2, 3]]) == {:ok, 3}
    assert PythonxPort.call(session, "dict", [], a: 1) == {:ok, %{"a" => 1}}
    assert PythonxPort.call(session, "str.upper", ["abc"]) == {:ok, "ABC"}
  end

  test "a name in the session comes before a module and a builtin", %{session: session} do
    PythonxPort.exec!(session, "def len(x): return 'mine'")
    assert PythonxPort.call(session, "len", [[]]) == {:ok, "mine"}
  end

  test "a name that is not there is an error", %{session: session} do
    assert {:error, %Error{kind: :exception, type: "NameError"}} = PythonxPort.call(session, "nowhere", [])
    assert {:error, %Error{type: "ModuleNotFoundError"}} = PythonxPort.call(session, "no_module.f", [])
    assert {:error, %Error{type: "AttributeError"}} = PythonxPort.call(session, "math.no_function", [])
    assert {:error, %Error{kind: :exception}} = PythonxPort.call(session, "", [])
  end

  test "arguments that do not fit are an error", %{session: session} do
    assert {:error, %Error{type: "TypeError"}} = PythonxPort.call(session, "math.sqrt", [])
    assert {:error, %Error{type: "TypeError"}} = PythonxPort.call(session, "math.sqrt", ["4"])
    assert {:error, %Error{type: "TypeError"}} = PythonxPort.call(session, "math.pi", [])
  end

  test "options", %{session: session} do
    assert {:ok, %PythonxPort.Object{type: "range"}} =
             PythonxPort.call(session, "range", [3], [], return: :ref)

    assert PythonxPort.call(session, "len", ["é"], [], binaries: :bytes) == {:ok, 2}

    assert {:error, %Error{kind: :timeout}} = PythonxPort.call(session, "time.sleep", [1], [], timeout: 1)
  end

  test "names are names, also where binaries become bytes", %{session: session} do
    code = "def kind(**named): return {name: type(value).__name__ for name, value in named.items()}"
    PythonxPort.exec!(session, code)
    assert PythonxPort.call(session, "kind", [], [a: "x"], binaries: :bytes) == {:ok, %{"a" => "bytes"}}
  end

  test "a target may be an atom", %{session: session} do
    assert PythonxPort.call(session, :len, [[1, 2]]) == {:ok, 2}
    assert PythonxPort.call(session, :"json.dumps", [[1]]) == {:ok, "[1]"}
    assert session |> PythonxPort.async_call(:abs, [-1]) |> PythonxPort.await!() == 1
    assert PythonxPort.call!(session, :dict, [], a: 1) == %{"a" => 1}
  end

  test "what is no target, list or option is refused", %{session: session} do
    assert_raise ArgumentError, fn -> PythonxPort.call(session, "len", "abc") end
    assert_raise ArgumentError, fn -> PythonxPort.call(session, "len", [[]], [], bindings: [a: 1]) end
    assert_raise ArgumentError, fn -> PythonxPort.call(session, "dict", [], a: 1, a: 2) end
  end

  test "call! returns the value or raises", %{session: session} do
    assert PythonxPort.call!(session, "abs", [-1]) == 1
    assert_raise Error, ~r/TypeError/, fn -> PythonxPort.call!(session, "abs", ["x"]) end
  end

  test "the traceback of what is called is in the error", %{session: session} do
    PythonxPort.exec!(
      session,
      "def outer():\n    return inner()\n\ndef inner():\n    raise LookupError('lost')"
    )

    assert {:error, %Error{traceback: traceback}} = PythonxPort.call(session, "outer", [])
    assert traceback =~ "in outer\n    return inner()"
    assert traceback =~ "in inner\n    raise LookupError('lost')"
  end
end
