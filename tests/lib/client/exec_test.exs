defmodule PythonxPort.Client.ExecTest do
  use PythonxPort.SessionCase, async: true

  test "the result is nil, whatever the code comes to", %{session: session} do
    assert PythonxPort.exec(session, "42") == {:ok, nil}
    assert PythonxPort.exec(session, "object()") == {:ok, nil}
    assert PythonxPort.exec!(session, "x = 1") == nil
  end

  test "what code defines stays", %{session: session} do
    PythonxPort.exec!(session, """
    import collections

    counts = collections.Counter()

    class Shelf:
        def __init__(self):
            self.books = []

    def count(word):
        counts[word] += 1
        return counts[word]

    shelf = Shelf()
    """)

    assert PythonxPort.eval(session, "count('a'), count('a'), count('b')") == {:ok, {1, 2, 1}}
    PythonxPort.exec!(session, "shelf.books.append(title)", bindings: [title: "Dune"])
    assert PythonxPort.eval(session, "shelf.books") == {:ok, ["Dune"]}
  end

  test "what ran before an exception stays", %{session: session} do
    assert {:error, %Error{type: "NameError"}} = PythonxPort.exec(session, "first = 1\nundefined\nsecond = 2")
    assert PythonxPort.eval(session, "first, 'second' in globals()") == {:ok, {1, false}}
  end

  test "code that does not compile does not run at all", %{session: session} do
    assert {:error, %Error{kind: :syntax}} = PythonxPort.exec(session, "first = 1\n)")
    assert PythonxPort.eval(session, "'first' in globals()") == {:ok, false}
  end

  test "sessions share nothing", %{session: session} do
    other = PythonxPort.start_session()
    PythonxPort.exec!(session, "import sys; sys.mark = mine = 1")

    assert PythonxPort.eval(other, "import sys; hasattr(sys, 'mark'), 'mine' in globals()") ==
             {:ok, {false, false}}

    assert OSProcess.of(session) != OSProcess.of(other)
  end

  test "results can be piped on", %{session: session} do
    assert session |> PythonxPort.exec("x = 7") == {:ok, nil}
    assert session |> PythonxPort.eval("x") |> elem(1) == 7
  end

  test "standard input is empty", %{session: session} do
    assert {:error, %Error{type: "EOFError"}} = PythonxPort.exec(session, "input()")
    assert PythonxPort.eval(session, "import sys; sys.stdin.read()") == {:ok, ""}
  end

  test "exec! raises", %{session: session} do
    assert_raise Error, fn -> PythonxPort.exec!(session, "raise ValueError('no')") end
  end
end
