defmodule PythonxPort.Values.TermTest do
  # The table of terms and objects in port/PROTOCOL.md, row by row and both ways.
  use PythonxPort.SessionCase, async: true

  import PythonxPort.RoundTrip

  alias PythonxPort.Bytes

  describe "atoms" do
    test "nil, true and false", %{session: session} do
      assert seen(session, nil) == {"builtins.NoneType", "None"}
      assert seen(session, true) == {"builtins.bool", "True"}
      assert seen(session, false) == {"builtins.bool", "False"}
      Enum.each([nil, true, false], &assert_back(session, &1))
      assert PythonxPort.eval(session, "[None, True, False]") == {:ok, [nil, true, false]}
    end

    test "others are erlang.Atom, a str", %{session: session} do
      assert {"erlang.Atom", _repr} = seen(session, :blue)

      assert PythonxPort.eval(session, "isinstance(a, str), a == 'blue', a + '!'", bindings: [a: :blue]) ==
               {:ok, {true, true, "blue!"}}

      Enum.each(
        [:blue, :"with space", :größe, :"", :日本, PythonxPort.Error, :"it's"],
        &assert_back(session, &1)
      )

      assert PythonxPort.eval(session, "import erlang; erlang.Atom('green')") == {:ok, :green}
      assert PythonxPort.eval(session, "'green'") == {:ok, "green"}
    end

    test "up to 255 characters, and no longer ones", %{session: session} do
      assert_back(session, :a |> List.duplicate(255) |> Enum.join() |> String.to_atom())
      assert_back(session, :ü |> List.duplicate(255) |> Enum.join() |> String.to_atom())

      assert {:error, %Error{kind: :unencodable}} =
               PythonxPort.eval(session, "import erlang; erlang.Atom('a' * 256)")
    end
  end

  describe "numbers" do
    test "integers of any size", %{session: session} do
      edges =
        for bits <- [7, 8, 15, 16, 27, 28, 31, 32, 59, 60, 63, 64, 127, 128, 2039, 2040, 2048], do: 2 ** bits

      integers = [0, 255, 256] ++ Enum.flat_map(edges, &[&1 - 1, &1, &1 + 1])

      for integer <- integers, sign <- [1, -1] do
        assert_back(session, sign * integer)
        text = Integer.to_string(sign * integer)
        assert PythonxPort.eval(session, "str(n)", bindings: [n: sign * integer]) == {:ok, text}
        assert PythonxPort.eval(session, text) == {:ok, sign * integer}
      end

      assert {"builtins.int", "-5"} = seen(session, -5)
    end

    test "integers of 10,000 digits", %{session: session} do
      integer = 7 * 10 ** 9_999 + 1
      assert_back(session, integer)
      assert_back(session, -integer)
      assert PythonxPort.eval(session, "n == 7 * 10 ** 9999 + 1", bindings: [n: integer]) == {:ok, true}
      assert PythonxPort.eval(session, "-(7 * 10 ** 9999 + 1)") == {:ok, -integer}
    end

    test "floats", %{session: session} do
      floats = [0.0, -0.0, 0.1, 1.0, -1.5, 1.0e308, 5.0e-324, 1.7976931348623157e308, 2.2250738585072014e-308]

      for float <- floats do
        assert <<there_and_back(session, float)::float>> == <<float::float>>
      end

      assert seen(session, 1.0) == {"builtins.float", "1.0"}
      assert PythonxPort.eval(session, "1e16") == {:ok, 1.0e16}
    end

    test "floats that are not finite are atoms", %{session: session} do
      assert seen(session, :nan) == {"builtins.float", "nan"}
      assert seen(session, :infinity) == {"builtins.float", "inf"}
      assert seen(session, :neg_infinity) == {"builtins.float", "-inf"}
      Enum.each([:nan, :infinity, :neg_infinity], &assert_back(session, &1))
      assert PythonxPort.eval(session, "float('-inf')") == {:ok, :neg_infinity}
    end

    test "a subclass of int or float is its number", %{session: session} do
      code = "class I(int): pass\nclass F(float): pass\n[I(3), F(0.5), I(2 ** 70)]"
      assert PythonxPort.eval(session, code) == {:ok, [3, 0.5, 2 ** 70]}
    end
  end

  describe "binaries" do
    test "are str", %{session: session} do
      assert seen(session, "héllo") == {"builtins.str", "'héllo'"}
      texts = ["", "a", "héllo", "日本語", "🐍", "\0", "a\0b", "\u{10FFFF}", String.duplicate("é", 70_000)]
      Enum.each(texts, &assert_back(session, &1))
      assert PythonxPort.eval(session, "'caf\\u00e9'") == {:ok, "café"}
    end

    test "that are not UTF-8 are refused, with the place", %{session: session} do
      for binary <- [<<255>>, <<0xC3>>, <<0xED, 0xA0, 0x80>>] do
        assert {:error, %Error{kind: :undecodable, message: message}} =
                 PythonxPort.eval(session, "1", bindings: [data: %{"rows" => [binary]}])

        assert message =~ ~s(bindings["data"]["rows"][0])
      end
    end

    test "are bytes in a PythonxPort.Bytes", %{session: session} do
      assert seen(session, Bytes.new(<<0, 255>>)) == {"builtins.bytes", "b'\\x00\\xff'"}
      assert there_and_back(session, Bytes.new(<<0, 255>>)) == <<0, 255>>
      assert there_and_back(session, [Bytes.new(""), %{"a" => Bytes.new("é")}]) == ["", %{"a" => "é"}]
    end

    test "are bytes with the option binaries: :bytes", %{session: session} do
      code = "type(a).__name__, type(b['k']).__name__, type(c).__name__"
      bindings = [a: "é", b: %{k: <<255>>}, c: :atom]

      assert PythonxPort.eval(session, code, bindings: bindings, binaries: :bytes) ==
               {:ok, {"bytes", "bytes", "Atom"}}

      assert PythonxPort.call(session, "len", ["é"], [], binaries: :bytes) == {:ok, 2}
    end

    test "come of bytes, bytearray, memoryview and subclasses of str", %{session: session} do
      assert PythonxPort.eval(session, "b'\\xff\\x00'") == {:ok, <<255, 0>>}
      assert PythonxPort.eval(session, "bytearray(b'ab')") == {:ok, "ab"}
      assert PythonxPort.eval(session, "memoryview(b'abcdef')[::2]") == {:ok, "ace"}
      assert PythonxPort.eval(session, "class S(str): pass\nS('sub')") == {:ok, "sub"}
    end

    test "do not come of a str with lone surrogates", %{session: session} do
      assert {:error, %Error{kind: :unencodable, message: message}} = PythonxPort.eval(session, "['\\ud800']")
      assert message =~ "result[0]"
    end
  end

  describe "opaque terms" do
    test "keep their identity", %{session: session} do
      port = Port.open({:spawn_executable, System.find_executable("cat")}, [])
      local = fn x -> x + 1 end

      for {term, type} <- [
            {self(), "erlang.Pid"},
            {port, "erlang.Port"},
            {make_ref(), "erlang.Reference"},
            # From OTP 28 on an alias has another form than other references.
            {:erlang.alias(), "erlang.Reference"},
            {:erlang.monitor(:process, self(), alias: :demonitor), "erlang.Reference"},
            {local, "erlang.Fun"},
            {&String.upcase/1, "erlang.Fun"},
            {<<5::3>>, nil},
            {<<1, 2, 3::7>>, nil}
          ] do
        assert_back(session, term)
        {seen_type, _repr} = seen(session, term)
        if type, do: assert(seen_type == type)

        assert PythonxPort.eval(session, "term == term and {term: 1}[term]", bindings: [term: term]) ==
                 {:ok, 1}
      end

      Port.close(port)
    end

    test "can be told apart", %{session: session} do
      code = "a == b, a == c, len({a, b, c})"
      bindings = [a: self(), b: self(), c: make_ref()]
      assert PythonxPort.eval(session, code, bindings: bindings) == {:ok, {true, false, 2}}
    end
  end

  describe "lists" do
    test "are lists", %{session: session} do
      assert seen(session, [1, "a", nil]) == {"builtins.list", "[1, 'a', None]"}
      lists = [[], [[]], [1], ~c"text", [0, 255], [256], Enum.to_list(1..1000), [[1, [2, [3]]], [], "x"]]
      Enum.each(lists, &assert_back(session, &1))
      assert_back(session, List.duplicate(7, 65_536))
      assert_back(session, List.duplicate(300, 65_536))
    end

    test "that are improper are refused", %{session: session} do
      assert {:error, %Error{kind: :undecodable, message: message}} =
               PythonxPort.eval(session, "x", bindings: [x: [1, [2 | 3]]])

      assert message =~ ~s(bindings["x"][1])
    end

    test "come of lists and their subclasses, not of generators", %{session: session} do
      assert PythonxPort.eval(session, "class L(list): pass\nL([1, 2])") == {:ok, [1, 2]}
      assert {:error, %Error{kind: :unencodable}} = PythonxPort.eval(session, "(n for n in [1])")
    end
  end

  describe "tuples" do
    test "are tuples", %{session: session} do
      assert {"builtins.tuple", "(1, 'a')"} = seen(session, {1, "a"})
      Enum.each([{}, {1}, {:ok, {nil}}, List.to_tuple(Enum.to_list(1..300))], &assert_back(session, &1))
    end

    test "come of named ones, too", %{session: session} do
      code = "import collections\ncollections.namedtuple('P', 'x y')(1, 2)"
      assert PythonxPort.eval(session, code) == {:ok, {1, 2}}
    end
  end

  describe "maps" do
    test "are dicts", %{session: session} do
      assert seen(session, %{"a" => [1]}) == {"builtins.dict", "{'a': [1]}"}

      maps = [
        %{},
        %{"a" => 1, :b => 2, 3 => 4, 5.5 => 6, nil => 7, {1, "t"} => 8},
        Map.new(1..40, &{&1, &1}),
        Map.new(1..1000, &{"key #{&1}", %{value: &1}})
      ]

      Enum.each(maps, &assert_back(session, &1))
    end

    test "with keys that are equal in Python are refused", %{session: session} do
      for map <- [%{1 => :a, 1.0 => :b}, %{:a => 2, "a" => 1}, %{true => 1, 1 => 2}] do
        assert {:error, %Error{kind: :undecodable, message: message}} =
                 PythonxPort.eval(session, "x", bindings: [x: map])

        assert message =~ ~s(bindings["x"])
      end
    end

    test "with keys that Python cannot hash are refused", %{session: session} do
      for key <- [[1], %{}, {1, [2]}] do
        assert {:error, %Error{kind: :undecodable}} =
                 PythonxPort.eval(session, "x", bindings: [x: %{key => 1}])
      end
    end

    test "come of dicts, their subclasses and dataclasses", %{session: session} do
      assert PythonxPort.eval(session, "{1: {'a': None}, ('x', 2): []}") ==
               {:ok, %{1 => %{"a" => nil}, {"x", 2} => []}}

      assert PythonxPort.eval(session, "import collections\ncollections.OrderedDict(a=1)") ==
               {:ok, %{"a" => 1}}

      assert PythonxPort.eval(session, "collections.Counter('aab')") == {:ok, %{"a" => 2, "b" => 1}}

      PythonxPort.exec!(session, """
      import dataclasses

      @dataclasses.dataclass
      class Point:
          x: int
          y: list
      """)

      assert PythonxPort.eval(session, "Point(1, [Point(2, [])])") ==
               {:ok, %{"x" => 1, "y" => [%{"x" => 2, "y" => []}]}}
    end

    test "do not come of dicts whose keys meet in one term", %{session: session} do
      assert {:error, %Error{kind: :unencodable}} = PythonxPort.eval(session, "{'a': 1, b'a': 2}")
    end
  end

  test "objects without a form are refused with the path to them, or by an encoder given one", %{
    session: session
  } do
    PythonxPort.exec!(session, "class Model: weight = 5\nresult = {'rows': [1, 2, {'m': Model()}]}")

    assert {:error, %Error{kind: :unencodable, message: message}} = PythonxPort.eval(session, "result")
    assert message =~ ~s(result["rows"][2]["m"]: __main__.Model)

    PythonxPort.exec!(
      session,
      "import erlang; erlang.register_encoder(Model, lambda m: {'weight': m.weight})"
    )

    assert PythonxPort.eval(session, "result") == {:ok, %{"rows" => [1, 2, %{"m" => %{"weight" => 5}}]}}
  end

  describe "nesting" do
    test "of 1,000 levels goes both ways", %{session: session} do
      nest = fn wrap -> Enum.reduce(1..1_000, 0, fn _level, inner -> wrap.(inner) end) end

      Enum.each(
        [nest.(&[&1]), nest.(&{&1}), nest.(&%{"a" => &1}), nest.(&[1, {&1}])],
        &assert_back(session, &1)
      )
    end

    test "that is too deep or endless is refused, and the session goes on", %{session: session} do
      deep = Enum.reduce(1..200_000, 0, fn _level, inner -> [inner] end)
      assert {:error, %Error{kind: :undecodable}} = PythonxPort.eval(session, "1", bindings: [deep: deep])
      assert {:error, %Error{kind: :unencodable}} = PythonxPort.eval(session, "x = []; x.append(x); x")

      assert {:error, %Error{kind: :unencodable}} =
               PythonxPort.eval(session, "x = []\nfor n in range(200_000): x = [x]\nx")

      assert PythonxPort.eval(session, "1") == {:ok, 1}
    end
  end
end
