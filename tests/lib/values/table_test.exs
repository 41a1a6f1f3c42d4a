defmodule PythonxPort.Values.TableTest do
  # DataFrames both ways: a table is a map of columns, each of them a tensor or a list.
  use PythonxPort.SessionCase, async: true

  alias PythonxPort.Tensor

  defp s64(numbers),
    do: Tensor.new(for(n <- numbers, into: <<>>, do: <<n::64-native>>), {:s, 64}, {length(numbers)})

  defp f64(numbers) do
    Tensor.new(for(n <- numbers, into: <<>>, do: <<n::float-64-native>>), {:f, 64}, {length(numbers)})
  end

  defp u8(numbers), do: Tensor.new(:binary.list_to_bin(numbers), {:u, 8}, {length(numbers)})

  defp assert_refused(session, code, parts) do
    assert {:error, %Error{kind: :unencodable, message: message}} = PythonxPort.eval(session, code)
    for part <- parts, do: assert(message =~ part)
  end

  describe "pandas" do
    @describetag :pandas
    @describetag timeout: 120_000

    setup %{session: session} do
      PythonxPort.exec!(session, "import numpy as np, pandas as pd, datetime")
      :ok
    end

    test "columns of numbers are tensors, others lists", %{session: session} do
      frame =
        PythonxPort.eval!(session, """
        pd.DataFrame({
            "whole": [1, 2, 3],
            "real": [0.5, 1.5, -2.0],
            "flag": [True, False, True],
            "small": np.array([1, 2, 3], "u1"),
            "text": ["a", None, "c"],
            "mixed": ["a", 1, None],
            "day": pd.to_datetime(["2024-02-29 00:00:00.000000", None, "2024-03-01 01:02:03.000004"]),
            "zoned": pd.to_datetime(["2024-02-29T00:00Z", None, None]),
            "kind": pd.Categorical(["x", "y", "x"]),
            "maybe": pd.array([1, None, 3], "Int64"),
            "surely": pd.array([1, 2, 3], "Int64"),
            "perhaps": pd.array([True, None, False], "boolean"),
            "lists": [[1], [], ["a"]],
            7: [1, 2, 3],
        })
        """)

      assert frame == %{
               "whole" => s64([1, 2, 3]),
               "real" => f64([0.5, 1.5, -2.0]),
               "flag" => u8([1, 0, 1]),
               "small" => u8([1, 2, 3]),
               "text" => ["a", nil, "c"],
               "mixed" => ["a", 1, nil],
               "day" => [~N[2024-02-29 00:00:00], nil, ~N[2024-03-01 01:02:03.000004]],
               "zoned" => [~U[2024-02-29 00:00:00Z], nil, nil],
               "kind" => ["x", "y", "x"],
               "maybe" => [1, nil, 3],
               "surely" => s64([1, 2, 3]),
               "perhaps" => [true, nil, false],
               "lists" => [[1], [], ["a"]],
               7 => s64([1, 2, 3])
             }
    end

    test "a missing number in a column of floats stays NaN", %{session: session} do
      %{"x" => %Tensor{type: {:f, 64}, data: <<one::float-64-native, nan::64-native>>}} =
        PythonxPort.eval!(session, "pd.DataFrame({'x': [1.0, None]})")

      assert one == 1.0
      assert <<_sign::1, 0x7FF::11, mantissa::52>> = <<nan::64>>
      assert mantissa != 0
    end

    test "series, empty frames and sparse columns", %{session: session} do
      assert PythonxPort.eval!(session, "pd.Series([1, 2])") == s64([1, 2])
      assert PythonxPort.eval!(session, "[pd.Series(['a', None])]") == [["a", nil]]
      assert PythonxPort.eval!(session, "pd.DataFrame()") == %{}
      assert PythonxPort.eval!(session, "pd.DataFrame({'a': np.zeros(0)})") == %{"a" => f64([])}
      assert PythonxPort.eval!(session, "pd.Series(pd.arrays.SparseArray([0.0, 1.5]))") == f64([0.0, 1.5])
      assert PythonxPort.eval!(session, "[pd.NA, pd.NaT]") == [nil, nil]
      assert PythonxPort.eval!(session, "pd.Timestamp('2024-02-29 01:02:03')") == ~N[2024-02-29 01:02:03]
    end

    @tag :pyarrow
    test "columns that Arrow holds", %{session: session} do
      assert PythonxPort.eval!(session, """
             pd.DataFrame({
                 "a": pd.array([1, 2], "int64[pyarrow]"),
                 "b": pd.array([1, None], "int64[pyarrow]"),
                 "c": pd.array(["x", None], "string[pyarrow]"),
             })
             """) == %{"a" => s64([1, 2]), "b" => [1, nil], "c" => ["x", nil]}
    end

    test "what would get lost is refused", %{session: session} do
      assert_refused(session, "pd.DataFrame([[1, 2]], columns=['a', 'a'])", [
        "result: two columns are named 'a'"
      ])

      assert_refused(session, "[pd.DataFrame({'a': [1]}, index=['x'])]", [
        "result[0]: ",
        "frame.reset_index()"
      ])

      index = "index=pd.Index([1], name='n')"
      assert_refused(session, "pd.DataFrame({'a': [1]}, #{index})", ["frame.reset_index()"])
      ns = "pd.to_datetime([1], unit='ns').astype('M8[ns]')"

      assert_refused(session, "pd.DataFrame({'a': #{ns}})", [
        ~s|result["a"][0]: |,
        "end at microseconds",
        "floor('us')"
      ])

      assert_refused(session, "pd.Timestamp(1)", ["end at microseconds"])
      assert_refused(session, "[[pd.Timestamp(1)]]", ["result[0][0]: ", "end at microseconds"])

      assert_refused(session, "pd.DataFrame({'a': pd.to_timedelta([1], unit='ns').astype('m8[ns]')})", [
        ~s|result["a"][0]: |,
        "end at microseconds"
      ])

      assert_refused(session, "pd.DataFrame({'a': [object()]})", ["object has no Erlang term"])
    end

    test "nanoseconds inside of a column are refused", %{session: session} do
      for value <- ["[pd.Timestamp(1)]", "{'t': np.datetime64(1, 'ns')}", "np.array([1], 'M8[ns]')"] do
        assert_refused(session, "pd.DataFrame({'a': [None, #{value}]})", [~s|result["a"][1]|])
      end

      assert_refused(session, "pd.DataFrame({'a': pd.Categorical([pd.Timestamp(1)])})", [
        ~s|result["a"][0]: Elixir's times end at microseconds|
      ])
    end

    @tag :pyarrow
    test "nanoseconds inside of a column that Arrow holds are refused", %{session: session} do
      PythonxPort.exec!(session, "import pyarrow as pa\nkind = pd.ArrowDtype(pa.list_(pa.time64('ns')))")

      assert_refused(session, "pd.DataFrame({'a': pd.Series([[1000], [1000, 1]], dtype=kind)})", [
        ~s|result["a"][1][1]: Elixir's times end at microseconds|
      ])

      assert PythonxPort.eval!(session, "pd.Series([[1000], None], dtype=kind)") == [
               [~T[00:00:00.000001]],
               nil
             ]
    end

    test "a map of columns becomes a frame, and comes back", %{session: session} do
      columns = %{
        "x" => f64([0.5, 1.5, 2.5]),
        "n" => s64([3, 1, 2]),
        "name" => ["a", "b", nil],
        "day" => [~N[2024-01-01 00:00:00], ~N[2024-01-02 00:00:00], nil]
      }

      assert PythonxPort.eval!(session, "frame = pd.DataFrame(columns)\nframe", bindings: [columns: columns]) ==
               columns

      assert PythonxPort.eval!(session, "frame.dtypes['x'].name, frame.dtypes['n'].name") ==
               {"float64", "int64"}

      assert PythonxPort.eval!(session, "float(frame['x'].sum()), len(frame)") == {4.5, 3}

      assert PythonxPort.eval!(session, "frame.sort_values('n').reset_index(drop=True)[['n', 'x']]") ==
               %{"n" => s64([1, 2, 3]), "x" => f64([1.5, 2.5, 0.5])}
    end

    test "large frames", %{session: session} do
      columns = %{"x" => f64(Enum.map(1..300_000, &(&1 / 7))), "n" => s64(Enum.to_list(1..300_000))}
      assert PythonxPort.eval!(session, "pd.DataFrame(c)", bindings: [c: columns]) == columns

      strided =
        PythonxPort.eval!(session, "pd.DataFrame(np.arange(600_000).reshape(-1, 2), columns=['a', 'b'])")

      assert strided == %{"a" => s64(Enum.to_list(0..599_999//2)), "b" => s64(Enum.to_list(1..599_999//2))}
    end
  end

  describe "Polars" do
    @describetag :polars

    setup %{session: session} do
      PythonxPort.exec!(session, "import polars as pl, datetime")
      :ok
    end

    test "columns of numbers are tensors, others lists", %{session: session} do
      frame =
        PythonxPort.eval!(session, """
        pl.DataFrame({
            "whole": [1, 2],
            "real": [0.5, -2.0],
            "flag": [True, False],
            "small": pl.Series([1, 2], dtype=pl.UInt8),
            "text": ["a", None],
            "maybe": [1, None],
            "perhaps": [True, None],
            "day": [datetime.date(2024, 2, 29), None],
            "moment": [datetime.datetime(2024, 2, 29, 1, 2, 3, 4), None],
            "clock": [datetime.time(1, 2, 3), None],
            "kind": pl.Series(["x", "y"], dtype=pl.Categorical),
            "lists": [[1, 2], []],
            "rows": [{"a": 1}, {"a": None}],
            "bytes": [b"x", None],
            "huge": pl.Series([2**100, 1], dtype=pl.Int128),
            "nothing": [None, None],
        })
        """)

      assert frame == %{
               "whole" => s64([1, 2]),
               "real" => f64([0.5, -2.0]),
               "flag" => u8([1, 0]),
               "small" => u8([1, 2]),
               "text" => ["a", nil],
               "maybe" => [1, nil],
               "perhaps" => [true, nil],
               "day" => [~D[2024-02-29], nil],
               "moment" => [~N[2024-02-29 01:02:03.000004], nil],
               "clock" => [~T[01:02:03], nil],
               "kind" => ["x", "y"],
               "lists" => [[1, 2], []],
               "rows" => [%{"a" => 1}, %{"a" => nil}],
               "bytes" => ["x", nil],
               "huge" => [2 ** 100, 1],
               "nothing" => [nil, nil]
             }
    end

    test "series, decimals and empty frames", %{session: session} do
      assert PythonxPort.eval!(session, "pl.Series([1, 2])") == s64([1, 2])
      assert PythonxPort.eval!(session, "pl.Series(['a', None])") == ["a", nil]
      assert PythonxPort.eval!(session, "pl.DataFrame()") == %{}

      assert PythonxPort.eval!(session, "pl.DataFrame({'a': pl.Series([], dtype=pl.Float64)})") == %{
               "a" => f64([])
             }

      assert [%{coef: 150, exp: -2, sign: 1}] =
               PythonxPort.eval!(session, "pl.Series(['1.50']).cast(pl.Decimal(10, 2))")
    end

    test "what would get lost is refused", %{session: session} do
      assert_refused(session, "pl.LazyFrame({'a': [1]})", [
        "result: a LazyFrame has no rows yet: send frame.collect()"
      ])

      assert_refused(session, "pl.Series([1], dtype=pl.Datetime('ns'))", ["end at microseconds"])
      assert_refused(session, "pl.Series([1]).cast(pl.Time)", ["end at microseconds"])
      assert_refused(session, "pl.Series([1], dtype=pl.Duration('ns'))", ["end at microseconds"])

      assert PythonxPort.eval!(session, "pl.Series([1000], dtype=pl.Datetime('ns'))") == [
               ~N[1970-01-01 00:00:00.000001]
             ]
    end

    test "nanoseconds are refused with their place, however deep they are", %{session: session} do
      for time <- ["pl.Time", "pl.Datetime('ns')", "pl.Datetime('ns', 'UTC')", "pl.Duration('ns')"],
          {type, values, place} <- [
            {time, "[1000, None, 1]", ~s|["a"][2]|},
            {"pl.List(#{time})", "[None, [], [1000, 1]]", ~s|["a"][2][1]|},
            {"pl.Array(#{time}, 2)", "[None, [1000, 1]]", ~s|["a"][1][1]|},
            {"pl.Struct({'t': #{time}})", "[None, {'t': 1}]", ~s|["a"][1]["t"]|},
            {"pl.List(pl.Struct({'n': pl.Int64, 't': pl.List(#{time})}))",
             "[[], [{'n': 1, 't': None}, {'n': 2, 't': [1]}]]", ~s|["a"][1][1]["t"][0]|}
          ] do
        assert_refused(session, "pl.DataFrame({'a': pl.Series(#{values}, dtype=#{type})})", [
          "result#{place}: Elixir's times end at microseconds: round the column first"
        ])
      end
    end

    test "whole microseconds pass, however deep they are", %{session: session} do
      assert PythonxPort.eval!(session, """
             pl.DataFrame({
                 "a": pl.Series([[1000, None], None], dtype=pl.List(pl.Datetime("ns"))),
                 "b": pl.Series([{"t": [1000]}, None], dtype=pl.Struct({"t": pl.Array(pl.Time, 1)})),
             })
             """) == %{
               "a" => [[~N[1970-01-01 00:00:00.000001], nil], nil],
               "b" => [%{"t" => [~T[00:00:00.000001]]}, nil]
             }
    end

    test "a map of columns becomes a frame, and comes back", %{session: session} do
      columns = %{
        "x" => f64([0.5, 1.5]),
        "n" => s64([3, 1]),
        "name" => ["a", nil],
        "day" => [~D[2024-01-01], nil]
      }

      assert PythonxPort.eval!(session, "frame = pl.DataFrame(columns)\nframe", bindings: [columns: columns]) ==
               columns

      assert PythonxPort.eval!(session, "frame.sort('n').select('n', 'x')") == %{
               "n" => s64([1, 3]),
               "x" => f64([1.5, 0.5])
             }

      large = %{"n" => s64(Enum.to_list(1..300_000))}
      assert PythonxPort.eval!(session, "pl.DataFrame(c)", bindings: [c: large]) == large
    end
  end

  describe "PyArrow" do
    @describetag :pyarrow

    setup %{session: session} do
      PythonxPort.exec!(session, "import pyarrow as pa, datetime")
      :ok
    end

    test "columns of numbers are tensors, others lists", %{session: session} do
      code = """
      columns = {
          "whole": pa.array([1, 2]),
          "real": pa.array([0.5, -2.0]),
          "half": pa.array([1, 2], pa.float32()).cast(pa.float16()),
          "flag": pa.array([True, False]),
          "text": pa.array(["a", None]),
          "maybe": pa.array([1, None]),
          "day": pa.array([datetime.date(2024, 2, 29), None]),
          "moment": pa.array([datetime.datetime(2024, 2, 29, 1, 2, 3, 4), None]),
          "nanos": pa.array([1000, None], pa.timestamp("ns")),
          "clock": pa.array([1000, None], pa.time64("ns")),
          "kind": pa.array(["x", "y"]).dictionary_encode(),
          "lists": pa.array([[1], []]),
          "rows": pa.array([{"a": 1}, None]),
          "bytes": pa.array([b"x", None]),
      }
      """

      expected = %{
        "whole" => s64([1, 2]),
        "real" => f64([0.5, -2.0]),
        "half" => Tensor.new(<<1.0::float-16-native, 2.0::float-16-native>>, {:f, 16}, {2}),
        "flag" => u8([1, 0]),
        "text" => ["a", nil],
        "maybe" => [1, nil],
        "day" => [~D[2024-02-29], nil],
        "moment" => [~N[2024-02-29 01:02:03.000004], nil],
        "nanos" => [~N[1970-01-01 00:00:00.000001], nil],
        "clock" => [~T[00:00:00.000001], nil],
        "kind" => ["x", "y"],
        "lists" => [[1], []],
        "rows" => [%{"a" => 1}, nil],
        "bytes" => ["x", nil]
      }

      assert PythonxPort.eval!(session, code <> "pa.table(columns)") == expected
      assert PythonxPort.eval!(session, "pa.RecordBatch.from_pydict(columns)") == expected
    end

    test "arrays, whole and in chunks", %{session: session} do
      assert PythonxPort.eval!(session, "pa.array([1, 2])") == s64([1, 2])
      assert PythonxPort.eval!(session, "pa.chunked_array([[1, 2], [3]])") == s64([1, 2, 3])
      assert PythonxPort.eval!(session, "pa.chunked_array([[1, 2], [None]])") == [1, 2, nil]
      assert PythonxPort.eval!(session, "pa.chunked_array([], pa.int64())") == s64([])
      assert PythonxPort.eval!(session, "pa.chunked_array([['a'], [None]])") == ["a", nil]
      assert PythonxPort.eval!(session, "pa.array([1, 2, 3])[1:]") == s64([2, 3])
      assert PythonxPort.eval!(session, "pa.array([True, False, True])[1:]") == u8([0, 1])
      assert PythonxPort.eval!(session, "pa.table({})") == %{}
    end

    test "what would get lost is refused", %{session: session} do
      assert_refused(session, "pa.array([1], pa.timestamp('ns'))", ["end at microseconds"])
      assert_refused(session, "pa.table({'a': pa.array([1], pa.time64('ns'))})", ["end at microseconds"])

      assert_refused(session, "pa.Table.from_arrays([[1], [2]], names=['a', 'a'])", [
        "two columns are named 'a'"
      ])
    end

    test "nanoseconds are refused with their place, however deep they are", %{session: session} do
      for time <- ["pa.time64('ns')", "pa.timestamp('ns')", "pa.timestamp('ns', 'UTC')"],
          {type, values, place} <- [
            {time, "[1000, None, 1]", ~s|["a"][2]|},
            {"pa.list_(#{time})", "[None, [], [1000, 1]]", ~s|["a"][2][1]|},
            {"pa.large_list(#{time})", "[[1]]", ~s|["a"][0][0]|},
            {"pa.list_(#{time}, 2)", "[None, [1000, 1]]", ~s|["a"][1][1]|},
            {"pa.struct({'t': #{time}})", "[None, {'t': 1}]", ~s|["a"][1]["t"]|},
            {"pa.map_(pa.string(), #{time})", "[[], [('k', 1)]]", ~s|["a"][1][0][1]|},
            {"pa.list_(pa.struct({'n': pa.int64(), 't': pa.list_(#{time})}))",
             "[[], [{'n': 1, 't': None}, {'n': 2, 't': [1]}]]", ~s|["a"][1][1]["t"][0]|}
          ] do
        assert_refused(session, "pa.table({'a': pa.array(#{values}, #{type})})", [
          "result#{place}: Elixir's times end at microseconds: round the column first"
        ])
      end
    end

    test "nanoseconds are seen in dictionaries, unions and types of the application", %{session: session} do
      PythonxPort.exec!(session, """
      import pyarrow.compute

      class Clock(pa.ExtensionType):
          def __init__(self):
              super().__init__(pa.time64("ns"), "test.clock")

          def __arrow_ext_serialize__(self):
              return b""

      times = pa.array([1000, 1], pa.time64("ns"))
      whole = pa.array([1000, 2000], pa.time64("ns"))

      def forms(times):
          return {
              "dictionary": times.dictionary_encode(),
              "runs": pa.compute.run_end_encode(times),
              "union": pa.UnionArray.from_sparse(pa.array([0, 1], pa.int8()), [pa.array([5, 6]), times]),
              "clock": pa.ExtensionArray.from_storage(Clock(), times),
          }
      """)

      for form <- ["dictionary", "runs", "union", "clock"] do
        assert_refused(session, "forms(times)['#{form}']", ["result[1]: Elixir's times end at microseconds"])
      end

      clock = [~T[00:00:00.000001], ~T[00:00:00.000002]]

      assert PythonxPort.eval!(session, "forms(whole)") ==
               %{
                 "dictionary" => clock,
                 "runs" => clock,
                 "union" => [5, ~T[00:00:00.000002]],
                 "clock" => clock
               }

      assert PythonxPort.eval!(session, "pa.array([b'0123456789abcdef'], pa.uuid())") ==
               ["30313233-3435-3637-3839-616263646566"]
    end

    test "whole microseconds pass, however deep they are", %{session: session} do
      assert PythonxPort.eval!(session, """
             pa.table({
                 "a": pa.array([[1000, None], None], pa.list_(pa.timestamp("ns"))),
                 "b": pa.array([{"t": [1000]}, None], pa.struct({"t": pa.list_(pa.time64("ns"), 1)})),
                 "c": pa.array([[("k", 1000)], None], pa.map_(pa.string(), pa.time64("ns"))),
             })
             """) == %{
               "a" => [[~N[1970-01-01 00:00:00.000001], nil], nil],
               "b" => [%{"t" => [~T[00:00:00.000001]]}, nil],
               "c" => [[{"k", ~T[00:00:00.000001]}], nil]
             }
    end

    test "a map of columns becomes a table, and comes back", %{session: session} do
      columns = %{"x" => f64([0.5, 1.5]), "n" => s64([3, 1]), "name" => ["a", nil]}
      assert PythonxPort.eval!(session, "pa.table(columns)", bindings: [columns: columns]) == columns
      large = %{"n" => s64(Enum.to_list(1..300_000))}
      assert PythonxPort.eval!(session, "pa.table(c)", bindings: [c: large]) == large
    end
  end
end
