defmodule PythonxPort.ObjectTest do
  use PythonxPort.SessionCase, async: true

  alias PythonxPort.Object

  setup %{session: session} do
    PythonxPort.exec!(session, """
    class Counter:
        def __init__(self): self.n = 0
        def next(self):
            self.n += 1
            return self.n
        def __repr__(self): return f"<Counter at {self.n}>"
    """)

    {:ok, counter: PythonxPort.eval!(session, "Counter()", return: :ref)}
  end

  test "tells what it refers to", %{counter: counter} do
    assert %Object{type: "__main__.Counter", repr: "<Counter at 0>"} = counter
    assert inspect(counter) =~ ~r/\A#PythonxPort.Object<\d+ __main__.Counter <Counter at 0>>\z/
  end

  test "is the same object each time", %{session: session, counter: counter} do
    assert PythonxPort.eval(session, "c.next()", bindings: [c: counter]) == {:ok, 1}
    assert PythonxPort.call(session, "Counter.next", [counter]) == {:ok, 2}
    again = PythonxPort.eval!(session, "c", bindings: [c: counter], return: :ref)
    assert PythonxPort.eval(session, "a is b", bindings: [a: counter, b: again]) == {:ok, true}
  end

  test "may stand anywhere in a value", %{session: session, counter: counter} do
    value = %{"list" => [1, {counter, nil}]}
    assert PythonxPort.eval(session, "v['list'][1][0].next()", bindings: [v: value]) == {:ok, 1}
    assert PythonxPort.call(session, "isinstance", [counter, counter]) |> elem(0) == :error
    assert PythonxPort.call(session, "dict", [], c: counter) |> elem(0) == :error
  end

  test "can be called", %{session: session, counter: counter} do
    next = PythonxPort.eval!(session, "c.next", bindings: [c: counter], return: :ref)
    assert PythonxPort.call(session, next, []) == {:ok, 1}
    assert PythonxPort.call(session, next, []) == {:ok, 2}
    assert {:error, %Error{type: "TypeError"}} = PythonxPort.call(session, counter, [])
  end

  test "is made of any object", %{session: session} do
    for {code, type} <- [{"1j", "complex"}, {"len", "builtin_function_or_method"}, {"None", "NoneType"}] do
      assert {:ok, %Object{type: ^type}} = PythonxPort.eval(session, code, return: :ref)
    end

    broken = "class Broken:\n    def __repr__(self): raise ValueError\nBroken()"
    assert {:ok, %Object{type: "__main__.Broken"}} = PythonxPort.eval(session, broken, return: :ref)
    assert {:ok, %Object{repr: repr}} = PythonxPort.eval(session, "'x' * 10_000_000", return: :ref)
    assert String.length(repr) < 1_000
  end

  test "that was released is refused", %{session: session, counter: counter} do
    assert PythonxPort.release(session, counter) == :ok

    assert {:error, %Error{kind: :undecodable, message: message}} =
             PythonxPort.eval(session, "c", bindings: [c: counter])

    assert message =~ "no object under reference"
    assert PythonxPort.release(session, counter) == :ok
    assert PythonxPort.release(session, []) == :ok
    assert PythonxPort.eval(session, "1") == {:ok, 1}
  end

  test "keeps its object until it is released", %{session: session} do
    PythonxPort.exec!(session, "import weakref\nkept = Counter()\ngone = weakref.ref(kept)")
    first = PythonxPort.eval!(session, "kept", return: :ref)
    second = PythonxPort.eval!(session, "kept", return: :ref)
    PythonxPort.exec!(session, "del kept")
    PythonxPort.release(session, first)
    assert PythonxPort.eval(session, "gone() is None") == {:ok, false}
    PythonxPort.release(session, [second])
    assert PythonxPort.eval(session, "gone() is None") == {:ok, true}
  end

  test "is released after the requests that were sent before", %{session: session, counter: counter} do
    task = PythonxPort.async_eval(session, "import time; time.sleep(0.05); c.next()", bindings: [c: counter])
    queued = PythonxPort.async_call(session, "Counter.next", [counter])
    PythonxPort.release(session, counter)
    assert PythonxPort.await(task) == {:ok, 1}
    assert PythonxPort.await(queued) == {:ok, 2}
  end

  test "of a number that was never given is refused", %{session: session} do
    assert {:error, %Error{kind: :undecodable}} =
             PythonxPort.eval(session, "c", bindings: [c: %Object{ref: 999_999}])
  end

  test "to a session that is gone can be released", %{session: session, counter: counter} do
    PythonxPort.stop_session(session)
    assert PythonxPort.release(session, counter) == :ok
    assert PythonxPort.release(:no_such_session, counter) == :ok
  end
end
