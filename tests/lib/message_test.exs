defmodule PythonxPort.MessageTest do
  # What errors say to people: the words of this library, no words of the protocol.
  use PythonxPort.SessionCase, async: true

  alias PythonxPort.{Bytes, Object, Tensor}

  # The words that only those need who write frames.
  @words ~r/=>|\bbyte \d|\bframes?\b|term format|Elixir\.|\bopts\b/i

  defp message(result) do
    assert {:error, %Error{kind: kind, message: message}} = result
    refute message =~ @words
    {kind, message}
  end

  # The value is the binding x.
  @undecodable [
    {<<255>>,
     "a binary that is not UTF-8: send it as %PythonxPort.Bytes{}, or set the option binaries to bytes"},
    {[1 | 2], "an improper list has no form in Python"},
    {%{1 => 1, 1.0 => 2}, ~s([1.0]: a map key that is equal to an earlier one in Python)},
    {%{[] => 1}, "[[]]: a map key that Python cannot hash (a list or a map)"},
    # Python's own words, which depend on its version.
    {%{~D[2000-01-01] | year: 20_000}, "%Date{} that Python cannot hold: year "},
    {%Bytes{data: 1}, "%PythonxPort.Bytes{} that Python cannot hold: data is a binary"},
    {%Object{ref: 99},
     "there is no object under reference 99: it was released, or belongs to another session"},
    {%Object{ref: nil}, "ref is the number of an object"}
  ]

  test "an undecodable value is named by its path", %{session: session} do
    for {value, expected} <- @undecodable do
      {kind, message} = message(PythonxPort.eval(session, "x", bindings: [x: value]))
      separator = if String.starts_with?(expected, "["), do: "", else: ": "
      assert {:undecodable, ~s(bindings["x"]) <> rest} = {kind, message}
      assert {:undecodable, "args[0][1]" <> ^rest} = message(PythonxPort.call(session, "len", [[0, value]]))

      assert rest == separator <> expected or
               (expected =~ ~r/ $/ and String.starts_with?(rest, separator <> expected))

      assert {:undecodable, "variables" <> _rest} = message(PythonxPort.assign(session, x: value))
    end

    assert message(PythonxPort.eval(session, <<255>>)) == {:undecodable, "code: not UTF-8"}
    assert {:undecodable, message} = message(PythonxPort.call(session, "dict", [], a: [<<255>>]))
    assert message =~ ~s(kwargs["a"][0]: a binary)
  end

  @tag :numpy
  test "a tensor that cannot be one is named by its path", %{session: session} do
    tensor = %Tensor{type: {:u, 8}, shape: {2}, data: <<1>>}

    assert message(PythonxPort.eval(session, "x", bindings: [x: tensor])) ==
             {:undecodable, ~s(bindings["x"]: data has 1 bytes, type and shape need 2)}
  end

  @unencodable [
    {"object()",
     "result: builtins.object has no Erlang term " <>
       "(the option return, set to ref, keeps it in Python; erlang.register_encoder gives it one)"},
    {"{'a': 1, b'a': 2}", "result: two keys that are the same Erlang term"},
    {"'\\ud800'", "result: a str with lone surrogates is no UTF-8 (send its bytes)"},
    {"l = []; l.append(l); l", ~r/\Aresult(\[0\])+: nested too deeply, or without end\z/},
    {"import erlang; erlang.Atom('x' * 256)", "result: an atom of more than 255 characters"}
  ]

  test "an unencodable result is named by its path", %{session: session} do
    for {code, expected} <- @unencodable do
      assert {:unencodable, message} = message(PythonxPort.eval(session, code))
      if is_binary(expected), do: assert(message == expected), else: assert(message =~ expected)
    end

    assert message(PythonxPort.eval(session, "'x' * 1000", max_result: 100)) ==
             {:unencodable,
              "result: the value takes at least 1005 bytes, and 100 are allowed: send less, or raise the limit (max_result)"}
  end

  test "a bad request says what is wrong with it", %{session: session} do
    for {bindings, expected} <- [
          {[{"1x", 1}], "bindings: '1x' is no Python name"},
          {[if: 1], "bindings: 'if' is a word of Python's own, and no name that can be set"},
          {[{"\uFB01", 1}, {"fi", 2}], "bindings: the name 'fi' is given twice"}
        ] do
      assert message(PythonxPort.eval(session, "1", bindings: bindings)) == {:bad_request, expected}
    end

    small = PythonxPort.start_session(max_frame: 10_000)
    assert {:bad_request, message} = message(PythonxPort.eval(small, String.duplicate("#", 20_000)))
    assert message =~ ~r/\Athe request is \d+ bytes long; this session takes 10000 \(option :max_frame\)\z/
  end

  test "a timeout says which one it was, and where the time went", %{session: session} do
    assert {:timeout, message} = message(PythonxPort.eval(session, "while True: pass", timeout: 60))

    assert [waited, ran] =
             Regex.run(
               ~r/\Athe request took longer than its timeout of 60 ms: it waited for (\d+) ms and ran for (\d+) ms\z/,
               message,
               capture: :all_but_first
             )

    assert String.to_integer(waited) + String.to_integer(ran) >= 58
    blocker = PythonxPort.async_exec(session, "import time; time.sleep(60)")
    assert {:timeout, message} = message(PythonxPort.eval(session, "1", timeout: 20))
    assert message =~ ~r/waited (for \d+ ms|longer than its timeout of 20 ms, and did not run)/
    error = assert_raise Error, fn -> PythonxPort.await!(blocker, 10) end
    assert error.message == "no result came within 10 ms, the timeout of await!/2"
    assert {:error, error} = PythonxPort.start_link(init: "import time; time.sleep(60)", init_timeout: 50)
    assert error.message == "the session was not ready within 50 ms (option :init_timeout)"
  end
end
