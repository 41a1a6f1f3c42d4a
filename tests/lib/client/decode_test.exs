defmodule PythonxPort.Client.DecodeTest do
  # Results that the caller's own functions make of Python's objects, by their types.
  use PythonxPort.SessionCase, async: true

  alias PythonxPort.{Object, SharedMemory, Tensor}

  @classes """
  import collections, dataclasses, decimal
  class Point:
      def __init__(self, x, y): self.x, self.y = x, y
      def __eq__(self, other): return (self.x, self.y) == (other.x, other.y)
      def __hash__(self): return hash((self.x, self.y))
  class Place(Point): pass
  @dataclasses.dataclass
  class Order:
      id: int
      at: object = None
  Pair = collections.namedtuple("Pair", "left right")
  """

  defmodule Point do
    defstruct [:x, :y]
    def new(%{"x" => x, "y" => y}), do: %__MODULE__{x: x, y: y}
  end

  setup %{session: session} do
    PythonxPort.exec!(session, @classes)
    :ok
  end

  @decode %{"__main__.Point" => &Point.new/1}

  describe "decode" do
    test "makes structs of objects", %{session: session} do
      assert PythonxPort.eval!(session, "Point(1, 2)", decode: @decode) == %Point{x: 1, y: 2}
      assert PythonxPort.call!(session, "Point", [1, 2], [], decode: @decode) == %Point{x: 1, y: 2}
      task = PythonxPort.async_eval(session, "Point(1, 2)", decode: @decode)
      assert PythonxPort.await!(task) == %Point{x: 1, y: 2}
    end

    test "finds them inside of other values, innermost first", %{session: session} do
      point = %Point{x: 1, y: 2}

      for {code, value} <- [
            {"[Point(1, 2), 3]", [point, 3]},
            {"{'a': (Point(1, 2),)}", %{"a" => {point}}},
            {"{Point(1, 2): 1}", %{point => 1}},
            {"{Point(1, 2)}", MapSet.new([point])},
            {"Order(5, Point(1, 2))", %{"id" => 5, "at" => point}},
            {"Point(Point(1, 2), None)", %Point{x: point, y: nil}},
            {"[]", []}
          ] do
        assert PythonxPort.eval!(session, code, decode: @decode) == value
      end
    end

    test "looks for the type itself first, then for its bases", %{session: session} do
      typed = fn fields, type -> {type, fields["x"]} end

      assert PythonxPort.eval!(session, "Place(1, 2)", decode: %{"__main__.Point" => typed}) ==
               {"__main__.Place", 1}

      both = %{"__main__.Point" => typed, "__main__.Place" => fn _fields -> :place end}

      assert PythonxPort.eval!(session, "[Place(1, 2), Point(1, 2)]", decode: both) == [
               :place,
               {"__main__.Point", 1}
             ]
    end

    test "takes what has a form of its own", %{session: session} do
      for {code, type, value} <- [
            {"Order(5)", "__main__.Order", %{"id" => 5, "at" => nil}},
            {"Pair(1, [2])", "__main__.Pair", %{"left" => 1, "right" => [2]}},
            {"decimal.Decimal('1.5')", "decimal.Decimal", %{__struct__: Decimal, sign: 1, coef: 15, exp: -1}},
            {"{1}", "set", MapSet.new([1])},
            {"ValueError('a', 1)", "ValueError", %{"args" => {"a", 1}}}
          ] do
        assert PythonxPort.eval!(session, "[#{code}]", decode: %{type => &{:decoded, &1}}) == [
                 {:decoded, value}
               ]
      end
    end

    @tag :numpy
    test "takes arrays, small and in shared memory", %{session: session} do
      size = 2 * SharedMemory.result_size()
      decode = %{"numpy.ndarray" => fn %Tensor{shape: shape} -> shape end}
      code = "import numpy\n[numpy.zeros(3), numpy.zeros(#{size}, 'u1'), b'x' * #{size}]"
      assert [{3}, {^size}, large] = PythonxPort.eval!(session, code, decode: decode)
      assert byte_size(large) == size
    end

    test "takes the items of streams, and references", %{session: session} do
      stream = PythonxPort.stream(session, "(Point(n, 0) for n in range(600))", decode: @decode)
      assert Enum.to_list(stream) == for(n <- 0..599, do: %Point{x: n, y: 0})

      # A pattern has no attributes that could be sent.
      code = "import re\nre.compile('a')"
      wrap = %{"re.Pattern" => fn %Object{} = object -> {:pattern, object} end}
      assert {:pattern, object} = PythonxPort.eval!(session, code, decode: wrap, return: :ref)
      assert PythonxPort.call!(session, "re.findall", [object, "aba"]) == ["a", "a"]
    end

    test "leaves alone what it does not name", %{session: session} do
      code = "import erlang\n[(erlang.Atom('$object'), 'a', 'b', 1), Point(1, 2)]"

      assert PythonxPort.eval!(session, code, decode: @decode) == [
               {:"$object", "a", "b", 1},
               %Point{x: 1, y: 2}
             ]

      assert {:error, %Error{kind: :unencodable}} = PythonxPort.eval(session, "Point(1, 2)")
      assert {:error, %Error{kind: :unencodable}} = PythonxPort.eval(session, "Point(1, 2)", decode: %{})
      assert {:error, %Error{type: "ZeroDivisionError"}} = PythonxPort.eval(session, "1 / 0", decode: @decode)
    end

    test "raises what a function raises, in the caller, and the session goes on", %{session: session} do
      fail = %{"__main__.Point" => fn _fields -> raise "not today" end}

      for _round <- 1..3 do
        assert_raise RuntimeError, "not today", fn ->
          PythonxPort.eval(session, "Point(1, 2)", decode: fail)
        end

        assert_raise RuntimeError, "not today", fn ->
          session
          |> PythonxPort.stream("(Point(n, 0) for n in range(10 ** 6))", decode: fail)
          |> Enum.to_list()
        end
      end

      refute_received _any
      assert PythonxPort.info!(session).streams == 0
    end

    test "refuses keys that meet", %{session: session} do
      same = %{"__main__.Point" => fn _fields -> :same end}

      assert_raise ArgumentError, ~r/decoded to the same value/, fn ->
        PythonxPort.eval(session, "{Point(1, 2): 1, Point(3, 4): 2}", decode: same)
      end
    end

    test "is checked", %{session: session} do
      for bad <- [[], %{a: &Point.new/1}, %{"a" => :b}, %{"a" => fn -> 1 end}, nil] do
        assert_raise ArgumentError, ~r/invalid value for option :decode/, fn ->
          PythonxPort.eval(session, "1", decode: bad)
        end

        if bad != nil do
          assert_raise ArgumentError, ~r/invalid value for option :decode/, fn ->
            PythonxPort.start_session(decode: bad)
          end
        end
      end

      assert_raise ArgumentError, ~r/invalid value for option :tensors/, fn ->
        PythonxPort.eval(session, "1", tensors: :torch)
      end
    end
  end

  describe "the options of a session" do
    setup do
      session = PythonxPort.start_session(init: @classes, decode: @decode)
      {:ok, session: session}
    end

    test "are those of its requests", %{session: session} do
      assert PythonxPort.eval!(session, "Point(x, 2)", bindings: [x: 1]) == %Point{x: 1, y: 2}
      assert PythonxPort.call!(session, "Point", [1, 2]) == %Point{x: 1, y: 2}
      assert PythonxPort.await!(PythonxPort.async_call(session, "Point", [1, 2])) == %Point{x: 1, y: 2}
      assert PythonxPort.exec!(session, "x = Point(1, 2)") == nil
      assert PythonxPort.assign!(session, y: 1) == nil
      assert PythonxPort.info!(session).queued == 0
      assert session |> PythonxPort.stream("[Point(1, 2)]") |> Enum.to_list() == [%Point{x: 1, y: 2}]
      # Within a call from Python, too.
      function = fn -> PythonxPort.eval!(session, "Point(5, 6)").x end
      assert PythonxPort.eval!(session, "f()", bindings: [f: function]) == 5
    end

    test "give way to those of a request", %{session: session} do
      decode = %{"__main__.Place" => fn fields -> {:place, fields["x"]} end}
      assert PythonxPort.eval!(session, "Place(1, 2)", decode: decode) == {:place, 1}
      assert {:error, %Error{kind: :unencodable}} = PythonxPort.eval(session, "Point(1, 2)", decode: decode)
      assert {:error, %Error{kind: :unencodable}} = PythonxPort.eval(session, "Point(1, 2)", decode: %{})
    end
  end
end
