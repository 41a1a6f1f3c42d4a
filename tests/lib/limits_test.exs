defmodule PythonxPort.LimitsTest do
  # What a session refuses to send: results over a limit, and atoms without end.
  use PythonxPort.SessionCase, async: true

  @mib 1024 * 1024

  defp unencodable(result) do
    assert {:error, %Error{kind: :unencodable, message: message}} = result
    message
  end

  describe "max_result" do
    test "of a request refuses a larger result, and names the place", %{session: session} do
      assert unencodable(PythonxPort.eval(session, "{'rows': [1, 'a' * 200]}", max_result: 100)) =~
               ~s(result["rows"][1]: the value takes at least 2)

      assert unencodable(PythonxPort.call(session, "bytes", [200], [], max_result: 100)) =~ "100 are allowed"
      assert PythonxPort.eval(session, "'a' * 90", max_result: 100) == {:ok, String.duplicate("a", 90)}
      assert PythonxPort.exec(session, "x = bytes(1000)", max_result: 1) == {:ok, nil}

      assert {:ok, %PythonxPort.Object{}} =
               PythonxPort.eval(session, "bytes(1000)", max_result: 1, return: :ref)

      task = PythonxPort.async_eval(session, "bytes(1000)", max_result: 100)
      assert unencodable(PythonxPort.await(task)) =~ "100 are allowed"
    end

    test "counts what goes through shared memory", %{session: session} do
      code = "bytes(#{2 * @mib})"
      assert unencodable(PythonxPort.eval(session, code, max_result: 2 * @mib)) =~ "are allowed"
      assert {:ok, bytes} = PythonxPort.eval(session, code, max_result: 2 * @mib + 100)
      assert byte_size(bytes) == 2 * @mib
    end

    test "bounds each item of a stream", %{session: session} do
      stream = PythonxPort.stream(session, "('a' * n for n in (90, 90, 1000))", max_result: 100)
      assert stream |> Stream.take(2) |> Enum.to_list() == List.duplicate(String.duplicate("a", 90), 2)
      error = assert_raise(Error, fn -> Enum.to_list(stream) end)
      assert error.kind == :unencodable
    end

    test "of a session bounds all that its requests ask for, and what Python sends" do
      session = PythonxPort.start_session(max_result: 1000)
      assert unencodable(PythonxPort.eval(session, "bytes(2000)")) =~ "1000 are allowed"
      assert unencodable(PythonxPort.eval(session, "bytes(2000)", max_result: 5000)) =~ "1000 are allowed"
      assert unencodable(PythonxPort.eval(session, "bytes(900)", max_result: 500)) =~ "500 are allowed"

      code = "import erlang\nerlang.send(pid, bytes(2000))"
      assert {:error, error} = PythonxPort.eval(session, code, bindings: [pid: self()])
      assert %{kind: :exception, type: "erlang.EncodeError"} = error
      refute_received _
    end

    test "is a number of bytes", %{session: session} do
      for value <- [0, -1, 1.5, "1"] do
        assert_raise(ArgumentError, fn -> PythonxPort.eval(session, "1", max_result: value) end)
      end
    end
  end

  describe "atom_limit" do
    test "bounds the atoms that Python makes up" do
      session = PythonxPort.start_session(atom_limit: 2, init: "from erlang import Atom")
      atoms = "[Atom(f'limits_test_{i}') for i in range(count)]"
      assert {:ok, [_, _]} = PythonxPort.eval(session, atoms, bindings: [count: 2])

      message = unencodable(PythonxPort.eval(session, atoms, bindings: [count: 3]))
      assert message =~ "result[2]: an atom that the client does not know"
      assert_raise(ArgumentError, fn -> String.to_existing_atom("limits_test_2") end)

      assert PythonxPort.eval(session, "[x, Atom('limits_' + 'known')]", bindings: [x: :limits_known]) ==
               {:ok, [:limits_known, :limits_known]}
    end

    test "does not count the atoms of structs" do
      session = PythonxPort.start_session(atom_limit: 0, init: "import datetime, decimal")
      code = "[range(3), {1}, datetime.date(2024, 2, 29), decimal.Decimal(1), object]"

      assert unencodable(PythonxPort.eval(session, code)) =~ "result[4]: "

      assert {:ok, [0..2, _set, ~D[2024-02-29], %{coef: 1}]} =
               PythonxPort.eval(session, String.replace(code, ", object", ""))
    end
  end
end
