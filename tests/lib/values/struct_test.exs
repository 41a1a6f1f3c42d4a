unless Code.ensure_loaded?(Decimal) do
  defmodule Decimal do
    @moduledoc false
    # The struct of the library of that name.
    defstruct sign: 1, coef: 0, exp: 0
  end
end

defmodule PythonxPort.Values.StructTest do
  # The rows of the table in port/PROTOCOL.md that are about structs, and types of Python's library, both ways.
  use PythonxPort.SessionCase, async: true

  import PythonxPort.RoundTrip

  defmodule Point do
    @moduledoc false
    defstruct [:x, :y]
  end

  describe "sets" do
    test "go both ways", %{session: session} do
      assert {"builtins.set", "{1}"} = seen(session, MapSet.new([1]))
      sets = [MapSet.new(), MapSet.new([1, "a", {2, 3}]), MapSet.new([MapSet.new([1])]), MapSet.new(1..100)]
      Enum.each(sets, &assert_back(session, &1))
    end

    test "that come back are as good as Elixir's own", %{session: session} do
      set = PythonxPort.eval!(session, "{'a', 'b'}")
      assert set === MapSet.new(["a", "b"])
      assert set |> MapSet.put("c") |> MapSet.size() == 3
      assert PythonxPort.eval(session, "frozenset([1])") == {:ok, MapSet.new([1])}
    end

    test "can be keys", %{session: session} do
      assert_back(session, %{MapSet.new([1]) => "one"})
    end
  end

  describe "dates and times" do
    test "go both ways", %{session: session} do
      assert seen(session, ~D[2024-02-29]) == {"datetime.date", "datetime.date(2024, 2, 29)"}
      assert seen(session, ~T[13:14:15]) == {"datetime.time", "datetime.time(13, 14, 15)"}

      assert seen(session, ~N[2024-02-29 13:14:15.000001]) ==
               {"datetime.datetime", "datetime.datetime(2024, 2, 29, 13, 14, 15, 1)"}

      assert {"datetime.datetime", repr} = seen(session, ~U[2024-02-29 13:14:15Z])
      assert repr =~ "tzinfo=datetime.timezone.utc"

      for term <- [
            ~D[0001-01-01],
            ~D[9999-12-31],
            ~T[00:00:00],
            ~T[23:59:59.999999],
            ~N[2024-02-29 13:14:15],
            ~N[2024-02-29 13:14:15.123456],
            ~U[1970-01-01 00:00:00Z],
            ~U[2024-02-29 13:14:15.123456Z]
          ] do
        assert_back(session, term)
      end
    end

    test "come of Python's", %{session: session} do
      PythonxPort.exec!(session, "from datetime import *")
      assert PythonxPort.eval(session, "date(2024, 2, 29)") == {:ok, ~D[2024-02-29]}
      assert PythonxPort.eval(session, "time(1, 2, 3)") == {:ok, ~T[01:02:03]}
      assert PythonxPort.eval(session, "datetime(2024, 1, 2, 3, 4, 5)") == {:ok, ~N[2024-01-02 03:04:05]}

      assert PythonxPort.eval(session, "datetime(2024, 1, 2, 3, 4, 5, tzinfo=timezone.utc)") ==
               {:ok, ~U[2024-01-02 03:04:05Z]}

      shifted =
        PythonxPort.eval!(
          session,
          "datetime(2024, 1, 2, 3, 4, tzinfo=timezone(timedelta(hours=5, minutes=30)))"
        )

      assert shifted.utc_offset + shifted.std_offset == 19_800
      assert DateTime.to_unix(shifted) == DateTime.to_unix(~U[2024-01-01 21:34:00Z])
    end

    test "with a precision between seconds and microseconds keep their moment", %{session: session} do
      assert Time.compare(there_and_back(session, ~T[01:02:03.120]), ~T[01:02:03.120]) == :eq
    end

    test "that Python cannot hold are refused", %{session: session} do
      for date <- [~D[0000-01-01], ~D[-0001-01-01], %{~D[2024-01-01] | year: 10_000}] do
        assert {:error, %Error{kind: :undecodable, message: message}} =
                 PythonxPort.eval(session, "d", bindings: [d: date])

        assert message =~ "Date"
      end
    end

    test "in a named time zone", %{session: session} do
      vienna = %{
        ~U[2024-07-01 12:00:00Z]
        | time_zone: "Europe/Vienna",
          zone_abbr: "CEST",
          utc_offset: 3600,
          std_offset: 3600
      }

      case PythonxPort.eval(session, "import zoneinfo; zoneinfo.ZoneInfo('Europe/Vienna'); t",
             bindings: [t: vienna]
           ) do
        {:ok, back} -> assert back == vienna
        # A machine without the data of time zones.
        {:error, error} -> assert %{kind: :undecodable, message: "bindings" <> _place} = error
      end
    end
  end

  test "decimals go both ways", %{session: session} do
    decimals = [
      %Decimal{sign: 1, coef: 123, exp: -2},
      %Decimal{sign: -1, coef: 0, exp: 0},
      %Decimal{sign: 1, coef: 10 ** 60 + 1, exp: -30},
      %Decimal{sign: -1, coef: 5, exp: 20},
      %Decimal{sign: 1, coef: :NaN, exp: 0},
      %Decimal{sign: -1, coef: :inf, exp: 0}
    ]

    Enum.each(decimals, &assert_back(session, &1))
    assert seen(session, hd(decimals)) == {"decimal.Decimal", "Decimal('1.23')"}

    assert PythonxPort.eval(session, "import decimal; decimal.Decimal('-0.10')") ==
             {:ok, %Decimal{sign: -1, coef: 10, exp: -2}}
  end

  # Elixir has the struct from 1.17 on; before that it is a map of the same keys, as that of another package may be.
  defp duration(units) do
    zero = %{__struct__: Duration, year: 0, month: 0, week: 0, day: 0, hour: 0, minute: 0, second: 0}
    zero |> Map.put(:microsecond, {0, 0}) |> Map.merge(Map.new(units))
  end

  test "durations go both ways", %{session: session} do
    durations = [
      duration([]),
      duration(day: 400, hour: 23, minute: 59, second: 59, microsecond: {999_999, 6}),
      duration(day: -1, hour: -2, minute: -3, second: -4, microsecond: {-5, 6}),
      duration(second: -1)
    ]

    Enum.each(durations, &assert_back(session, &1))

    assert seen(session, duration(week: 1, hour: -1)) ==
             {"datetime.timedelta", "datetime.timedelta(days=6, seconds=82800)"}

    if Code.ensure_loaded?(Duration) do
      code = "import datetime\ndatetime.timedelta(days=2, milliseconds=1500)"
      assert %{__struct__: Duration} = value = PythonxPort.eval!(session, code)
      assert apply(Duration, :to_iso8601, [value]) == "P2DT1.500000S"
    end

    for units <- [[year: 1], [month: -1]] do
      assert {:error, %Error{kind: :undecodable, message: message}} =
               PythonxPort.eval(session, "d", bindings: [d: duration(units)])

      assert message =~ ~s(bindings["d"]: ) and message =~ "years and months have no fixed length"
    end
  end

  test "complex numbers go both ways", %{session: session} do
    complex = %{__struct__: Complex, re: 1.5, im: -0.0}
    assert_back(session, complex)
    assert_back(session, %{complex | re: :nan, im: :neg_infinity})
    assert seen(session, %{complex | re: 1, im: 2}) == {"builtins.complex", "(1+2j)"}

    assert PythonxPort.eval(session, "z * z", bindings: [z: %{complex | im: 2}]) ==
             {:ok, %{complex | re: -1.75, im: 6.0}}
  end

  describe "regular expressions" do
    test "become patterns", %{session: session} do
      for {regex, text, found} <- [
            {~r/(?<word>\w+) \k<word>\z/i, "say Hey hey", "Hey hey"},
            {~r/^b.c$/ms, "a\nb\nc\nd", "b\nc"},
            {~r/a \d  # a comment (?<[/x, "xa5", "a5"},
            {~r/[[]é\x{263a}/u, "x[é☺", "[é☺"},
            {~r/\w+/, "- a", "a"},
            {~r/\w+/u, "äa", "äa"},
            {Regex.compile!("\\h+\\v"), "a \t\n", " \t\n"}
          ] do
        code = "regex.search(text)[0]"
        assert PythonxPort.eval(session, code, bindings: [regex: regex, text: text]) == {:ok, found}
        assert regex |> Regex.run(text) |> hd() == found
      end

      assert {"re.Pattern", "re.compile('a')"} = seen(session, ~r/a/u)
      # What it was compiled to is no text.
      assert PythonxPort.eval(session, "len(r)", bindings: [r: [~r/a/, ~r/b/]], binaries: :bytes) == {:ok, 2}
    end

    test "that Python has not are refused", %{session: session} do
      for {regex, part} <- [
            {~r/[[:alpha:]]/, "'[:alpha:]]' has no counterpart in Python's re"},
            {~r/a/U, ~r/Python's re has no option (U|ungreedy)/},
            {~r/\R/, "bad escape"},
            {~r/\p{L}/u, "bad escape"},
            {~r/(?<!a|bc)d/, "look-behind requires fixed-width"},
            {~r/é/, "needs the option u"}
          ] do
        assert {:error, %Error{kind: :undecodable, message: message}} =
                 PythonxPort.eval(session, "r", bindings: [r: regex])

        assert message =~ part
      end
    end

    test "of Python are what Regex.compile takes", %{session: session} do
      PythonxPort.exec!(session, "import re")

      for {code, text, found} <- [
            {"re.compile(r'(?P<n>a)(?P=n)\\Z', re.I)", "xaA", "aA"},
            {"re.compile(r'\\u263a{,2}x')", "☺☺x", "☺☺x"},
            {"re.compile(r'[a[:]+', re.X)", "x[:a", "[:a"},
            {"re.compile(rb'.b', re.S)", "\nb", "\nb"}
          ] do
        assert %{"source" => source, "opts" => opts} = PythonxPort.eval!(session, code)
        assert source |> Regex.compile!(opts) |> Regex.run(text) |> hd() == found
      end

      assert {:error, %Error{kind: :unencodable, message: message}} =
               PythonxPort.eval(session, "re.compile(b'a', re.L)")

      assert message =~ "flag LOCALE"
    end
  end

  test "time zones become their keys", %{session: session} do
    case PythonxPort.eval(session, "import zoneinfo\nzoneinfo.ZoneInfo('Europe/Vienna')") do
      {:ok, key} -> assert key == "Europe/Vienna"
      # A machine without the data of time zones.
      {:error, error} -> assert error.type == "zoneinfo._common.ZoneInfoNotFoundError"
    end
  end

  @tag :attrs
  test "attrs classes become maps", %{session: session} do
    PythonxPort.exec!(session, """
    import attr, attrs

    @attrs.define
    class Point:
        x: int
        _y: object = None

    @attrs.frozen
    class Named(Point):
        name: str = "n"

    @attr.s
    class Old:
        a = attr.ib()
    """)

    assert PythonxPort.eval(session, "[Named(1, Point(2)), Old([Old(3)])]") ==
             {:ok,
              [
                %{"x" => 1, "_y" => %{"x" => 2, "_y" => nil}, "name" => "n"},
                %{"a" => [%{"a" => 3}]}
              ]}
  end

  @tag :pydantic
  test "pydantic models become maps", %{session: session} do
    PythonxPort.exec!(session, """
    import functools, pydantic, pydantic.dataclasses

    class Item(pydantic.BaseModel):
        price: float = pydantic.Field(alias="cost")

    class Order(pydantic.BaseModel):
        model_config = {"extra": "allow"}
        items: list[Item]
        secret: str = pydantic.Field("s", exclude=True)
        _private: int = 1

        @pydantic.computed_field
        def total(self) -> float:
            return sum(item.price for item in self.items)

        @functools.cached_property
        def cached(self):
            return 1

    @pydantic.dataclasses.dataclass
    class Point:
        x: int

    order = Order(items=[{"cost": 2}, {"cost": 3}], note="n")
    order.cached
    """)

    assert PythonxPort.eval(session, "order") ==
             {:ok, %{"items" => [%{"price" => 2.0}, %{"price" => 3.0}], "total" => 5.0, "note" => "n"}}

    assert PythonxPort.eval(session, "[Point(1), pydantic.RootModel[list[int]]([1, 2])]") ==
             {:ok, [%{"x" => 1}, [1, 2]]}
  end

  test "ranges go both ways", %{session: session} do
    assert seen(session, 1..3) == {"builtins.range", "range(1, 4)"}
    Enum.each([1..3, 0..-1//1, 10..1//-3, 5..5, 1..10//4, -3..3], &assert_back(session, &1))

    for code <- ["range(4)", "range(0)", "range(2, 9, 3)", "range(9, 2, -2)", "range(5, 5)"] do
      {range, list} = PythonxPort.eval!(session, "(#{code}, list(#{code}))")
      assert Enum.to_list(range) == list
    end
  end

  test "other structs are dicts with their name, and come back as structs", %{session: session} do
    point = %Point{x: 1, y: [%Point{}]}

    assert PythonxPort.eval(session, "p['x'], str(p['__struct__'])", bindings: [p: point]) ==
             {:ok, {1, "#{Point}"}}

    assert_back(session, point)
  end

  test "enums, UUIDs and paths become their value or text", %{session: session} do
    PythonxPort.exec!(session, """
    import enum, pathlib, uuid

    class Colour(enum.Enum):
        RED = "red"

    class Level(enum.IntEnum):
        HIGH = 3
    """)

    assert PythonxPort.eval(session, "[Colour.RED, Level.HIGH]") == {:ok, ["red", 3]}
    assert PythonxPort.eval(session, "uuid.UUID(int=1)") == {:ok, "00000000-0000-0000-0000-000000000001"}
    assert PythonxPort.eval(session, "pathlib.Path('a') / 'b'") == {:ok, "a/b"}
  end

  @tag :numpy
  test "NumPy's scalars become numbers and booleans", %{session: session} do
    code = "import numpy\n[numpy.float64(0.5), numpy.float32(0.5), numpy.int8(-3), numpy.bool_(True)]"
    assert PythonxPort.eval(session, code) == {:ok, [0.5, 0.5, -3, true]}
  end
end
