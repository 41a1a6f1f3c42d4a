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
