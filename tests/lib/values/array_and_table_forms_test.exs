defmodule PythonxPort.Values.ArrayAndTableFormsTest do
  # What becomes of each type of value that NumPy, pandas, Polars, PyArrow and xarray export: its form, or the words of
  # the refusal. A class that a library exports and that has no row here fails the test of its library.
  use PythonxPort.SessionCase, async: true

  alias PythonxPort.Tensor

  @moduletag timeout: 240_000

  # -- helpers --

  defp tensor(numbers, {kind, bits} = type, shape \\ nil) do
    data =
      for number <- numbers, into: <<>> do
        case kind do
          :f -> <<number::float-native-size(bits)>>
          :c -> <<number::float-native-size(div(bits, 2)), 0.0::float-native-size(div(bits, 2))>>
          _ -> <<number::native-size(bits)>>
        end
      end

    Tensor.new(data, type, shape || {length(numbers)})
  end

  # Elixir has the struct from 1.17 on, and that of complex numbers comes with a package.
  defp duration(units) do
    units = Map.new(units)
    zero = %{__struct__: Duration, year: 0, month: 0, week: 0, day: 0, hour: 0, minute: 0, second: 0}
    zero |> Map.put(:microsecond, {0, 0}) |> Map.merge(units)
  end

  defp complex(re, im), do: %{__struct__: Complex, re: re, im: im}

  defp s64(numbers, shape \\ nil), do: tensor(numbers, {:s, 64}, shape)
  defp f64(numbers), do: tensor(numbers, {:f, 64})
  defp u8(numbers), do: tensor(numbers, {:u, 8})

  # Returns what is wrong with a row, in a list.
  defp check_row(session, {code, expected}) do
    case {PythonxPort.eval(session, "look(#{code})"), expected} do
      {{:ok, value}, {:is, value}} ->
        []

      {{:error, %Error{kind: :unencodable, message: message}}, {:refused, parts}} ->
        for part <- ["result" | parts],
            not (message =~ part),
            do: "#{code}: #{inspect(part)} is not in: #{message}"

      {{:error, error}, _} ->
        ["#{code}: #{error.kind}: #{error.message}"]

      {{:ok, value}, _} ->
        ["#{code}: #{inspect(value, limit: 20)}"]
    end
  end

  defp check_rows(session, rows), do: assert(Enum.flat_map(rows, &check_row(session, &1)) == [])

  defp is(value), do: {:is, value}
  defp refused(parts), do: {:refused, List.wrap(parts)}

  # Fails if one of the modules exports a class that is neither that of a row nor among the classes that are no values:
  # families by their base class, or single names.
  defp check_exports(session, modules, families, names) do
    unnamed =
      PythonxPort.eval!(
        session,
        """
        from importlib import import_module
        families = (BaseException, *(eval(family) for family in families))
        sorted({
            f"{module}.{name}"
            for module in modules
            for name, kind in vars(import_module(module)).items()
            if isinstance(kind, type) and not name.startswith("_") and name not in names
            and kind not in seen and not issubclass(kind, families)
        })
        """,
        bindings: [modules: modules, families: families, names: names]
      )

    assert unnamed == []
  end

  setup %{session: session} do
    PythonxPort.exec!(session, """
    import datetime, warnings
    warnings.simplefilter("ignore")
    seen = set()

    def look(value):
        seen.add(type(value))
        return value
    """)

    :ok
  end

  # -- NumPy --

  defp numpy_arrays do
    [
      {"np.array([1, 2])", is(s64([1, 2]))},
      {"np.array(5)", is(s64([5], {}))},
      {"np.array([True])", is(u8([1]))},
      {"np.array([1.5], 'f4')", is(tensor([1.5], {:f, 32}))},
      {"np.array([1.5], 'c8')", is(tensor([1.5], {:c, 64}))},
      {"np.array([1.5], 'g')", refused("has no form as a tensor")},
      {"np.array(['a', None], object)", refused("send array.tolist()")},
      {"np.array(['a'])", refused("send array.tolist()")},
      {"np.array(['a'], np.dtypes.StringDType())", refused("send array.tolist()")},
      {"np.array([b'a'])", refused("send array.tolist()")},
      {"np.array(['2024-02-29', 'NaT'], 'M8[s]')", refused(["datetime64[s]", "array.astype('int64')"])},
      {"np.array([1, 'NaT'], 'm8[s]')", refused(["timedelta64[s]", "array.astype('int64')"])},
      {"np.array([(1, 2.5)], [('a', 'i4'), ('b', 'f8')])", refused("{name: array[name] for name in")},
      {"np.rec.array([(1, 2.5)], names='a,b')", refused("{name: array[name] for name in")},
      {"np.char.array(['a'])", refused("send array.tolist()")},
      {"np.ma.array([1, 2], mask=[0, 1])", refused(["masked array", "array.filled(value)"])},
      {"np.ma.array([(1, 2)], [('a', 'i4'), ('b', 'i4')])[0]",
       refused(["masked array", "array.filled(value)"])},
      {"np.ma.masked", refused(["masked array", "array.filled(value)"])},
      {"np.matrix([[1, 2]])", is(s64([1, 2], {1, 2}))},
      {"np.memmap(file, 'i8', 'w+', shape=2)", is(s64([0, 0]))},
      {"np.array([[1, 2], [3, 4]]).T.flat", is(s64([1, 3, 2, 4]))},
      {"np.array([1, 2]).view(Plain)", is(s64([1, 2]))},
      {"with_unit(np.array([1, 2]).view(Unit))",
       refused(["unit of Unit would be lost", "numpy.asarray(value)"])},
      {"np.array([1, 2]).view(Unit)", is(s64([1, 2]))},
      {"np.array([1, 2]).view(Slot)", is(s64([1, 2]))},
      {"with_unit(np.array([1, 2]).view(Slot))",
       refused(["unit of Slot would be lost", "numpy.asarray(value)"])},
      {"np.poly1d([1, 2])", refused("send its coeffs")}
    ] ++
      for name <- ~w(Chebyshev Hermite HermiteE Laguerre Legendre Polynomial) do
        {"np.polynomial.#{name}([1, 2])", refused(["numpy.polynomial", "send its coef"])}
      end
  end

  defp numpy_scalars do
    whole = ~w(byte short intc int_ long longlong ubyte ushort uintc uint ulong ulonglong)

    for(name <- whole, do: {"np.#{name}(5)", is(5)}) ++
      for(name <- ~w(half single double), do: {"np.#{name}(1.5)", is(1.5)}) ++
      for(name <- ~w(longdouble clongdouble), do: {"np.#{name}(1.5)", refused("has no Erlang term")}) ++
      for(name <- ~w(csingle cdouble), do: {"np.#{name}(1.5)", is(complex(1.5, 0.0))}) ++
      [
        {"np.bool_(True)", is(true)},
        {"np.float64('nan')", is(:nan)},
        {"np.str_('a')", is("a")},
        {"np.bytes_(b'a')", is("a")},
        {"np.datetime64('2024-02-29')", is(~D[2024-02-29])},
        {"np.datetime64('2024-02-29T01:02:03')", is(~N[2024-02-29 01:02:03])},
        {"np.datetime64(1, 'ns')", refused("end at microseconds")},
        {"np.datetime64('NaT')", is(nil)},
        {"np.timedelta64('NaT')", is(nil)},
        {"np.timedelta64(3661, 's')", is(duration(hour: 1, minute: 1, second: 1))},
        {"np.timedelta64(1, 'ns')", refused(["timedelta64[ns]", "end at microseconds"])},
        {"np.timedelta64(1, 'M')", refused("timedelta64[M]")},
        {"np.void(b'ab')", is("ab")},
        {"np.zeros(1, [('a', 'i4'), ('b', 'f8'), ('c', [('d', 'i4')])])[0]",
         is(%{"a" => 0, "b" => 0.0, "c" => %{"d" => 0}})},
        {"np.rec.array([(1, 2.5)], names='a,b')[0]", is(%{"a" => 1, "b" => 2.5})}
      ]
  end

  @tag :numpy
  test "NumPy", %{session: session} do
    file = Path.join(System.tmp_dir!(), "pythonx_port-forms-#{System.unique_integer([:positive])}")
    on_exit(fn -> File.rm(file) end)

    PythonxPort.assign!(session, file: file)

    PythonxPort.exec!(
      session,
      """
      import numpy as np, numpy.ma, numpy.polynomial, numpy.rec

      class Plain(np.ndarray):
          pass

      class Unit(np.ndarray):
          def __array_finalize__(self, of):
              self.unit = None

      class Slot(np.ndarray):
          __slots__ = ("unit",)

      def with_unit(array):
          array.unit = "m"
          return array
      """
    )

    check_rows(session, numpy_arrays() ++ numpy_scalars())

    check_exports(session, ~w(numpy numpy.ma numpy.rec numpy.polynomial), ~w(np.dtype), ~w(character
      complexfloating flexible floating generic inexact integer number signedinteger unsignedinteger object_ broadcast
      busdaycalendar errstate finfo format_parser iinfo ndenumerate ndindex nditer ufunc vectorize))
  end

  # -- pandas --

  defp pandas_series do
    [
      {"pd.Series([1, 2])", is(s64([1, 2]))},
      {"pd.Series([1, 2], name='x')", is(s64([1, 2]))},
      {"pd.Series(['a', None])", is(["a", nil])},
      {"pd.Series([1, 2, 3])[:2]", is(s64([1, 2]))},
      {"pd.Series([1, 2, 3])[5:]", is(s64([]))},
      # Labels, of each type that has a form, are the keys of a map; so are the numbers of rows that were picked.
      {"pd.DataFrame({'x': ['a', 'b', 'a']})['x'].value_counts()", is(%{"a" => 2, "b" => 1})},
      {"pd.DataFrame({'x': [0, 0, 1]})['x'].value_counts()", is(%{0 => 2, 1 => 1})},
      {"pd.Series([0, 0, 1]).value_counts()", is(%{0 => 2, 1 => 1})},
      {"pd.Series([], dtype='int64').value_counts()", is(%{})},
      {"pd.Series(['a', None]).value_counts(dropna=False)", is(%{"a" => 1, nil => 1})},
      {"pd.Series([1.5, None]).value_counts(dropna=False)", is(%{1.5 => 1, :nan => 1})},
      {"pd.Series([True, True]).value_counts()", is(%{true => 2})},
      {"pd.DataFrame({'a': [1], 'b': [2]}).mean()", is(%{"a" => 1.0, "b" => 2.0})},
      {"pd.Series([5, 6, 7])[lambda s: s > 5]", is(%{1 => 6, 2 => 7})},
      {"pd.Series([6, 5]).sort_values()", is(%{1 => 5, 0 => 6})},
      {"pd.Series([5, 6], index=pd.RangeIndex(2, name='n'))", is(%{0 => 5, 1 => 6})},
      {"frame.groupby(['k', 'l'])['x'].sum()", is(%{{"a", 1} => 3.0, {"b", 2} => 3.0})},
      {"pd.Series([1], index=pd.to_datetime(['2024-02-29']))", is(%{~N[2024-02-29 00:00:00] => 1})},
      {"pd.Series([1, None], index=pd.Categorical(['x', 'y'], ordered=True), dtype='Int64')",
       is(%{"x" => 1, "y" => nil})},
      {"pd.Series([None, 'v'], index=pd.array([1, 2], 'Int64'))", is(%{1 => nil, 2 => "v"})},
      {"pd.Series([1, 2], index=['a', 'a'])",
       refused(["two rows have the label 'a'", "series.reset_index()"])},
      {"pd.Series([1, 2], index=pd.MultiIndex.from_tuples([('a', 1)] * 2))", refused("the label ('a', 1)")},
      {"pd.Series([1, 2], index=['a', b'a'])", refused("two keys that are the same Erlang term")},
      {"pd.Series([1, 2], index=[1, True])", refused(["two rows have the label True"])},
      {"pd.Series([1], index=pd.Index([[1]], dtype=object))",
       refused(["not keys of a map", "series.reset_index()"])},
      {"pd.Series([1, 2], index=pd.to_timedelta([1, 2]))", refused(["result[key]", "end at microseconds"])},
      {"pd.Series([1], index=pd.to_timedelta(['1s']))", is(%{duration(second: 1) => 1})},
      {"pd.Series([1], index=pd.MultiIndex.from_arrays([['a'], pd.to_timedelta(['1s'])]))",
       is(%{{"a", duration(second: 1)} => 1})},
      {"pd.Series([1], index=pd.to_datetime([1]))", refused(["result[key]", "end at microseconds"])},
      {"pd.Series([1], index=pd.interval_range(0, 1))",
       refused(["result[key]", "pandas.Interval has no form"])},
      {"pd.Series([1], index=pd.period_range('2024', periods=1))",
       refused(["result[key]", "pandas.Period has no form"])},
      {"pd.Series(pd.to_timedelta([1]), index=['a'])",
       refused([~s(result["a"]), "end at microseconds", "timedelta.floor('us')"])},
      {"pd.Series(pd.to_timedelta(['2s', None]), index=['a', 'b'])",
       is(%{"a" => duration(second: 2), "b" => nil})},
      {"pd.Series([object()], index=['a'])", refused(~s|result["a"]: builtins.object has no Erlang term|)},
      {"with_attrs(pd.Series([1]))", refused(["its attrs, ['unit'], would be lost", "series.attrs"])},
      {"pd.Series([1, 2], dtype='Sparse[int64]')", is(s64([1, 2]))},
      {"pd.Series([{'a': pd.Series([1], index=['b'])}])", is([%{"a" => %{"b" => 1}}])}
    ]
  end

  defp pandas_frames do
    [
      {"pd.DataFrame({'a': [1, 2]})", is(%{"a" => s64([1, 2])})},
      {"pd.DataFrame()", is(%{})},
      {"pd.DataFrame(index=range(5))", refused("the number of rows without columns, 5, would be lost")},
      {"pd.DataFrame({'a': [1, 2]}, index=[0, 1])", is(%{"a" => s64([1, 2])})},
      {"pd.DataFrame({1: [1], None: [2], ('a', 'b'): [3]})",
       is(%{1 => s64([1]), nil => s64([2]), {"a", "b"} => s64([3])})},
      {"pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([('a', 'x'), ('a', 'y')]))",
       is(%{{"a", "x"} => s64([1]), {"a", "y"} => s64([2])})},
      {"pd.DataFrame([[1, 2]], columns=pd.to_datetime(['2024-02-29', '2024-03-01']))",
       is(%{~N[2024-02-29 00:00:00] => s64([1]), ~N[2024-03-01 00:00:00] => s64([2])})},
      {"pd.DataFrame([[1, 2]], columns=['a', 'a'])", refused("two columns are named 'a'")},
      {"pd.DataFrame([[1, 2]], columns=[1, True])", refused("two columns are named True")},
      {"frame[frame['x'] > 1]", refused(["the index would be lost", "frame.reset_index(drop=True)"])},
      {"frame.sort_values('x', ascending=False)", refused("frame.reset_index(drop=True)")},
      {"frame.groupby('k')[['x']].sum()", refused(["the index would be lost", "frame.reset_index()"])},
      {"frame.groupby('k')[['x']].sum().reset_index()", is(%{"k" => ["a", "b"], "x" => f64([3.0, 3.0])})},
      {"frame.set_index(['k', 'l'])", refused("frame.reset_index()")},
      {"frame.rename_axis('n')", refused("frame.reset_index()")},
      {"frame.rename_axis(columns='c')",
       refused(["the name of the columns, 'c',", "frame.rename_axis(columns=None)"])},
      {"with_attrs(pd.DataFrame({'a': [1]}))",
       refused(["its attrs, ['unit'], would be lost", "frame.attrs"])},
      {"Labelled({'a': [1]})", is(%{"a" => s64([1])})},
      {"with_crs(Labelled({'a': [1]}))", refused(["Labelled.crs would be lost"])},
      {"frame.groupby('k')", refused(["DataFrameGroupBy has no rows of its own", "aggregate it"])},
      {"frame.groupby('k')['x']", refused(["SeriesGroupBy has no rows of its own"])},
      {"frame['x'].rolling(2)", refused("Rolling has no rows of its own")},
      {"frame['x'].rolling(2, win_type='triang')", refused("Window has no rows of its own")},
      {"frame['x'].expanding()", refused("Expanding has no rows of its own")},
      {"frame['x'].ewm(1)", refused("ExponentialMovingWindow has no rows of its own")},
      {"frame.groupby('k')['x'].rolling(2)", refused("RollingGroupBy has no rows of its own")},
      {"frame.groupby('k')['x'].expanding()", refused("ExpandingGroupBy has no rows of its own")},
      {"frame.groupby('k')['x'].ewm(1)", refused("ExponentialMovingWindowGroupBy has no rows of its own")},
      {"times.resample('D')", refused("Resampler has no rows of its own")},
      {"times.groupby('x').resample('D')", refused("has no rows of its own")},
      {"times.to_period('D').groupby('x').resample('D')", refused("has no rows of its own")},
      {"times.set_index(pd.to_timedelta([1])).groupby('x').resample('D')", refused("has no rows of its own")}
    ]
  end

  defp pandas_values do
    [
      {"pd.Index(['a', None])", is(["a", nil])},
      {"pd.Index([1, 2], name='n')", is(s64([1, 2]))},
      {"pd.RangeIndex(5, 7)", is(s64([5, 6]))},
      {"pd.MultiIndex.from_tuples([('a', 1), ('b', 2)])", is([{"a", 1}, {"b", 2}])},
      {"pd.CategoricalIndex(['a', None])", is(["a", nil])},
      {"pd.DatetimeIndex(['2024-02-29', None])", is([~N[2024-02-29 00:00:00], nil])},
      {"pd.TimedeltaIndex(['1s'])", is([duration(second: 1)])},
      {"pd.PeriodIndex(['2024'], freq='Y')",
       refused(["result[0]", "pandas.Period has no form", "start_time"])},
      {"pd.interval_range(0, 1)", refused(["result[0]", "pandas.Interval has no form", "left and right"])},
      {"pd.Categorical(['b', None, 'a'], ['a', 'b', 'c'], ordered=True)", is(["b", nil, "a"])},
      {"pd.array([1, None])", is([1, nil])},
      {"pd.array([1, 2])", is(s64([1, 2]))},
      {"pd.array([1.5, None])", is([1.5, nil])},
      {"pd.array([True, None])", is([true, nil])},
      {"pd.array(['a', None])", is(["a", nil])},
      {"pd.array(['a', None], pd.StringDtype('python'))", is(["a", nil])},
      {"pd.arrays.NumpyExtensionArray(np.array([1, 2]))", is(s64([1, 2]))},
      {"pd.array(pd.to_datetime(['2024-02-29T01:00Z', None]))", is([~U[2024-02-29 01:00:00Z], nil])},
      {"pd.array(pd.to_timedelta([1]))", refused(["result[0]", "end at microseconds"])},
      {"pd.array(pd.to_timedelta(['-1s']))", is([duration(second: -1)])},
      {"pd.array(pd.period_range('2024', periods=1))", refused("pandas.Period has no form")},
      {"pd.array(pd.interval_range(0, 1))", refused("pandas.Interval has no form")},
      {"pd.arrays.SparseArray([0, 1])", is(s64([0, 1]))},
      {"pd.array([1, None], 'int64[pyarrow]')", is([1, nil])},
      {"pd.array([[1], None], pd.ArrowDtype(pa.list_(pa.int64())))", is([[1], nil])},
      {"pd.Timestamp('2024-02-29 01:02:03.000004')", is(~N[2024-02-29 01:02:03.000004])},
      {"pd.Timestamp('2024-07-01', tz='Europe/Berlin').isoformat()", is("2024-07-01T00:00:00+02:00")},
      {"pd.Timestamp('2024-02-29', tz='Europe/Berlin')", is(berlin())},
      {"datetime.datetime(2024, 2, 29, tzinfo=LikePytz())", is(berlin())},
      {"pd.Timestamp(1)", refused(["end at microseconds", "floor('us')"])},
      {"pd.Timedelta(1, 's')", is(duration(second: 1))},
      {"pd.Timedelta(1, 'ns')", refused(["end at microseconds", "timedelta.floor('us')"])},
      {"pd.Period('2024')", refused(["pandas.Period has no form", "period.start_time"])},
      {"pd.Interval(0, 1)", refused(["pandas.Interval has no form", "left and right"])},
      {"pd.DateOffset(1)", refused("send offset.freqstr")},
      {"pd.offsets.Day(2)", refused("send offset.freqstr")},
      {"pd.NA", is(nil)},
      {"pd.NaT", is(nil)},
      {"frame.columns.names", is([nil])},
      # A type of the application goes as the base it has, or as its encoder says.
      {"Labelled({'a': [1]}, index=['x'])", refused("frame.reset_index()")},
      {"Encoded({'a': [1]}, index=['x'])", is(["x"])},
      # What a library has under another name must not become a bare array.
      {"Unnamed()", refused("Unnamed has no Erlang term")}
    ]
  end

  defp berlin do
    %DateTime{
      year: 2024,
      month: 2,
      day: 29,
      hour: 0,
      minute: 0,
      second: 0,
      microsecond: {0, 0},
      std_offset: 0,
      utc_offset: 3600,
      time_zone: "Europe/Berlin",
      zone_abbr: "CET"
    }
  end

  @tag :pandas
  @tag :pyarrow
  test "pandas", %{session: session} do
    PythonxPort.exec!(session, """
    import erlang
    import numpy as np, pandas as pd, pandas.api.typing, pandas.arrays, pyarrow as pa
    frame = pd.DataFrame({"k": ["a", "a", "b"], "l": [1, 1, 2], "x": [1.0, 2.0, 3.0]})
    times = pd.DataFrame({"x": [1]}, index=pd.to_datetime(["2024-02-29"]))

    class LikePytz(datetime.tzinfo):
        zone = "Europe/Berlin"

        def utcoffset(self, when):
            return datetime.timedelta(hours=1)

        def dst(self, when):
            return datetime.timedelta(0)

        def tzname(self, when):
            return "CET"

    class Labelled(pd.DataFrame):
        _metadata = ["crs"]

    class Encoded(pd.DataFrame):
        pass

    erlang.register_encoder(Encoded, lambda frame: list(frame.index))

    class Unnamed:
        def __array__(self, dtype=None, copy=None):
            return np.array([1])

    Unnamed.__module__ = "pandas.core"

    def with_attrs(value):
        value.attrs["unit"] = "m"
        return value

    def with_crs(value):
        value.crs = "EPSG:4326"
        return value
    """)

    check_rows(session, pandas_series() ++ pandas_frames() ++ pandas_values())

    check_exports(
      session,
      ~w(pandas pandas.arrays pandas.api.typing),
      ~w(pd.api.extensions.ExtensionDtype),
      ~w(DatetimeTZDtype ExcelFile ExcelWriter Expression Flags Grouper HDFStore JsonReader NamedAgg NamedFunc
         Resampler SASReader StataReader TimeGrouper)
    )
  end

  # -- Polars --

  defp polars_rows do
    [
      {"pl.DataFrame({'a': [1, 2], 'b': ['x', None]})", is(%{"a" => s64([1, 2]), "b" => ["x", nil]})},
      {"pl.DataFrame(height=5)", refused("the number of rows without columns, 5, would be lost")},
      {"pl.DataFrame({'a': [1]}).lazy()", refused("a LazyFrame has no rows yet: send frame.collect()")},
      {"pl.DataFrame({'a': [1]}).group_by('a')", refused("GroupBy has no rows of its own: aggregate it")},
      {"times.group_by_dynamic('t', every='1d')", refused("DynamicGroupBy has no rows of its own")},
      {"times.rolling('t', period='1d')", refused("RollingGroupBy has no rows of its own")},
      {"times.lazy().group_by('t')", refused("LazyGroupBy has no rows of its own")},
      {"pl.Series('name', [1, 2])", is(s64([1, 2]))},
      {"pl.Series(['a']).value_counts()", is(%{"" => ["a"], "count" => tensor([1], {:u, 32})})},
      {"pl.Series(['a', None], dtype=pl.Enum(['a', 'b']))", is(["a", nil])},
      {"pl.Series(['a', None], dtype=pl.Categorical)", is(["a", nil])},
      {"pl.Series([{'a': 1, 'b': [None]}, None])", is([%{"a" => 1, "b" => [nil]}, nil])},
      {"pl.Series([[1, 2], None])", is([[1, 2], nil])},
      {"pl.Series([[1, 2]], dtype=pl.Array(pl.Int64, 2))", is([[1, 2]])},
      {"pl.Series([True, None])", is([true, nil])},
      {"pl.Series([1.5], dtype=pl.Float32)", is(tensor([1.5], {:f, 32}))},
      {"pl.Series([b'x'])", is(["x"])},
      {"pl.Series([datetime.date(2024, 2, 29)])", is([~D[2024-02-29]])},
      {"pl.Series([datetime.time(1, 2, 3)])", is([~T[01:02:03]])},
      {"pl.Series([datetime.datetime(2024, 2, 29)])", is([~N[2024-02-29 00:00:00]])},
      {"pl.Series([1], dtype=pl.Datetime('us', 'UTC'))", is([~U[1970-01-01 00:00:00.000001Z]])},
      {"pl.Series([1], dtype=pl.Datetime('ns'))", refused("end at microseconds")},
      {"pl.Series([None, 1], dtype=pl.Duration)", is([nil, duration(microsecond: {1, 6})])},
      {"pl.Series([1000, None], dtype=pl.Duration('ns'))", is([duration(microsecond: {1, 6}), nil])},
      {"pl.Series([1000, 1], dtype=pl.Duration('ns'))", refused(["result[1]", "end at microseconds"])},
      {"pl.Series(['1.50']).cast(pl.Decimal(10, 2)).cast(pl.String)", is(["1.50"])},
      {"pl.Series([{'k': 1}, None], dtype=pl.Map(pl.String, pl.Int64))", is([%{"k" => 1}, nil])},
      {"pl.Series([None], dtype=pl.Null)", is([nil])},
      {"pl.Series([{1}], dtype=pl.Object)", is([MapSet.new([1])])},
      {"pl.Series([object()], dtype=pl.Object)", refused("result[0]: builtins.object has no Erlang term")},
      {"pl.Series([2**100], dtype=pl.Int128)", is([2 ** 100])},
      {"pl.col('a')", refused("has no Erlang term")}
    ]
  end

  @tag :polars
  test "Polars", %{session: session} do
    PythonxPort.exec!(session, """
    import polars as pl
    times = pl.DataFrame({"t": [datetime.datetime(2024, 2, 29)]})
    """)

    check_rows(session, polars_rows())

    check_exports(
      session,
      ~w(polars),
      ~w(pl.DataType),
      # Extension and its base are types as well, of a metaclass of their own.
      ~w(Any BaseExtension Catalog Categories CompatLevel Config CredentialProvider CredentialProviderAWS
         CredentialProviderAzure CredentialProviderGCP DataType DataTypeExpr Engine Extension Field FileProviderArgs
         GPUEngine InMemoryEngine ParquetDecryptionProperties ParquetEncryptionProperties PartitionBy QueryOptFlags
         RemoteEngine SQLContext ScanCastOptions Schema StreamingEngine StringCache)
    )
  end

  # -- PyArrow --

  # Rows for an array and for its first element, which is a scalar.
  defp arrow(code, array, scalar), do: [{code, array}, {"#{code}[0]", scalar}]

  defp arrow_numbers do
    whole =
      for {kind, letter} <- [{:s, "int"}, {:u, "uint"}], bits <- [8, 16, 32, 64], do: {letter, kind, bits}

    Enum.flat_map(whole, fn {letter, kind, bits} ->
      arrow("pa.array([1, 2], pa.#{letter}#{bits}())", is(tensor([1, 2], {kind, bits})), is(1))
    end) ++
      Enum.flat_map([16, 32, 64], fn bits ->
        arrow("pa.array([1.5], pa.float#{bits}())", is(tensor([1.5], {:f, bits})), is(1.5))
      end) ++
      Enum.flat_map([32, 64, 128, 256], fn bits ->
        arrow("pa.array([None], pa.decimal#{bits}(4, 2))", is([nil]), is(nil))
      end) ++
      arrow("pa.array([True, False])", is(u8([1, 0])), is(true)) ++
      arrow("pa.array([None, 1])", is([nil, 1]), is(nil)) ++
      arrow("pa.array([True, None])", is([true, nil]), is(true)) ++
      arrow("pa.nulls(1)", is([nil]), is(nil))
  end

  defp arrow_texts do
    Enum.flat_map(~w(string large_string string_view binary large_binary binary_view), fn type ->
      arrow("pa.array(['a', None], pa.#{type}())", is(["a", nil]), is("a"))
    end) ++
      arrow("pa.array([b'ab'], pa.binary(2))", is(["ab"]), is("ab")) ++
      arrow("pa.array(['{}'], pa.json_())", is(["{}"]), is("{}")) ++
      arrow(
        "pa.array([b'0123456789abcdef'], pa.uuid())",
        is(["30313233-3435-3637-3839-616263646566"]),
        is("30313233-3435-3637-3839-616263646566")
      )
  end

  defp arrow_times do
    nanoseconds = refused("end at microseconds")

    arrow("pa.array([1], pa.date32())", is([~D[1970-01-02]]), is(~D[1970-01-02])) ++
      arrow("pa.array([86_400_000], pa.date64())", is([~D[1970-01-02]]), is(~D[1970-01-02])) ++
      arrow("pa.array([1], pa.time32('s'))", is([~T[00:00:01]]), is(~T[00:00:01])) ++
      arrow("pa.array([1], pa.time64('us'))", is([~T[00:00:00.000001]]), is(~T[00:00:00.000001])) ++
      arrow("pa.array([1], pa.time64('ns'))", nanoseconds, nanoseconds) ++
      arrow("pa.array([1], pa.timestamp('s'))", is([~N[1970-01-01 00:00:01]]), is(~N[1970-01-01 00:00:01])) ++
      arrow(
        "pa.array([1], pa.timestamp('s', 'UTC'))",
        is([~U[1970-01-01 00:00:01Z]]),
        is(~U[1970-01-01 00:00:01Z])
      ) ++
      arrow("pa.array([1], pa.timestamp('ns'))", nanoseconds, nanoseconds) ++
      arrow("pa.array([1], pa.duration('s'))", is([duration(second: 1)]), is(duration(second: 1))) ++
      arrow(
        "pa.array([1000], pa.duration('ns'))",
        is([duration(microsecond: {1, 6})]),
        is(duration(microsecond: {1, 6}))
      ) ++
      arrow("pa.array([1], pa.duration('ns'))", nanoseconds, nanoseconds) ++
      arrow("pa.array([pa.MonthDayNano([1, 2, 3])])", is([{1, 2, 3}]), is({1, 2, 3})) ++
      [{"pa.MonthDayNano([1, 2, 3])", is({1, 2, 3})}]
  end

  defp arrow_nested do
    list = fn type -> arrow("pa.array([[1], None], #{type})", is([[1], nil]), is([1])) end
    metadata = refused(["b'unit' of the values.x would be lost"])

    Enum.flat_map(~w(list_ large_list list_view large_list_view), &list.("pa.#{&1}(pa.int64())")) ++
      list.("pa.list_(pa.int64(), 1)") ++
      arrow("pa.array([{'x': 1}, None])", is([%{"x" => 1}, nil]), is(%{"x" => 1})) ++
      arrow(
        "pa.array([{'x': 1}], pa.struct([unit]))",
        metadata,
        refused("b'unit' of the value.x would be lost")
      ) ++
      arrow(
        "pa.array([[{'x': 1}]], pa.list_(pa.struct([unit])))",
        refused(".x would be lost"),
        refused(".x would")
      ) ++
      [
        {"pa.StructArray.from_arrays([ones, ones], ['x', 'x'])",
         refused("two fields of the values have one name")}
      ] ++
      arrow("pa.array([[('k', 1)]], pa.map_(pa.string(), pa.int64()))", is([[{"k", 1}]]), is([{"k", 1}])) ++
      arrow("pa.array(['a', None]).dictionary_encode()", is(["a", nil]), is("a")) ++
      arrow("pa.DictionaryArray.from_arrays([0], ['a'], ordered=True)", is(["a"]), is("a")) ++
      arrow("pa.compute.run_end_encode(pa.array([7, 7]))", is([7, 7]), is(7)) ++
      arrow("pa.UnionArray.from_sparse(pa.array([0], pa.int8()), [ones[:1]])", is([1]), is(1)) ++
      arrow(
        "pa.UnionArray.from_dense(pa.array([0], pa.int8()), pa.array([0], pa.int32()), [ones])",
        is([1]),
        is(1)
      ) ++
      arrow("pa.ExtensionArray.from_storage(Celsius(), ones)", is([1, 1]), is(1)) ++
      arrow(
        "pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0], pa.int8()))",
        is([true, false]),
        is(true)
      ) ++
      arrow("pa.ExtensionArray.from_storage(pa.opaque(pa.int64(), 'a', 'b'), ones)", is([1, 1]), is(1)) ++
      arrow(
        "matrices(pa.fixed_shape_tensor(pa.int64(), (2, 2)))",
        is(s64([1, 2, 3, 4], {1, 2, 2})),
        is(square())
      ) ++
      arrow(
        "matrices(named)",
        refused("names of the dimensions of the values"),
        refused("names of the dimensions")
      ) ++
      [
        {"pa.array([None, [1, 2, 3, 4]], pa.fixed_shape_tensor(pa.int64(), (2, 2)))", is([nil, square()])},
        {"pa.chunked_array([[1], [2]])", is(s64([1, 2]))},
        {"pa.chunked_array([['a'], [None]])", is(["a", nil])}
      ]
  end

  defp square, do: s64([1, 2, 3, 4], {2, 2})

  defp arrow_tables do
    without = "table.replace_schema_metadata()"

    [
      {"pa.table({'a': [1], 'b': ['x']})", is(%{"a" => s64([1]), "b" => ["x"]})},
      {"pa.table({'a': [1]}).select([])", refused("the number of rows without columns, 1, would be lost")},
      {"pa.RecordBatch.from_pydict({'a': [1]})", is(%{"a" => s64([1])})},
      {"pa.table([[1], [2]], names=['a', 'a'])", refused("two columns are named 'a'")},
      {"pa.table({'a': [1]}, metadata={'unit': 'm'})",
       refused(["the metadata b'unit' of the schema", without])},
      {"pa.RecordBatch.from_pydict({'a': [1]}, metadata={'unit': 'm'})",
       refused("the metadata b'unit' of the schema")},
      {"pa.table({'x': [1]}, pa.schema([unit]))", refused("the metadata b'unit' of x would be lost")},
      {"pa.table({'s': pa.array([{'x': 1}], pa.struct([unit]))})", refused("b'unit' of s.x would be lost")},
      {"pa.table({'a': [1]}, pa.schema([pa.field('a', pa.int64(), metadata={'PARQUET:field_id': '1'})]))",
       is(%{"a" => s64([1])})},
      # What pandas leaves in the metadata.
      {"pa.Table.from_pandas(pd.DataFrame({'a': [1]}))", is(%{"a" => s64([1])})},
      {"pa.Table.from_pandas(pd.DataFrame({'a': [1, 2]})).slice(1)", is(%{"a" => s64([2])})},
      {"pa.Table.from_pandas(pd.DataFrame({'a': [1]}, index=['x']))",
       is(%{"a" => s64([1]), "__index_level_0__" => ["x"]})},
      {"pa.Table.from_pandas(pd.DataFrame({'a': [1, 2]})[1:])",
       refused(["the index in the metadata", without])},
      {"pa.Table.from_pandas(pd.DataFrame({'a': [1]}).rename_axis(columns='c'))",
       refused(["name of the columns", without])},
      {"pa.Table.from_pandas(with_attrs(pd.DataFrame({'a': [1]})))",
       refused(["the attrs in the metadata", without])},
      {"pa.table({'a': [1]}).group_by('a')", refused("TableGroupBy has no rows of its own")},
      {"pa.table({'a': [1]}).to_reader()", refused("send reader.read_all()")},
      {"pa.Tensor.from_numpy(np.array([[1, 2]]))", is(s64([1, 2], {1, 2}))},
      {"pa.Tensor.from_numpy(np.array([[1, 2]]), ['x', 'y'])",
       refused("the names of its dimensions would be lost")},
      {"pa.py_buffer(b'ab')", refused("pyarrow.lib.Buffer has no Erlang term")}
    ] ++
      for name <- ~w(SparseCOOTensor SparseCSRMatrix SparseCSCMatrix SparseCSFTensor) do
        {"pa.#{name}.from_dense_numpy(np.array([[0, 1]]))",
         refused("#{name} has no form: send tensor.to_tensor()")}
      end
  end

  @tag :pyarrow
  @tag :pandas
  test "PyArrow", %{session: session} do
    PythonxPort.exec!(session, """
    import numpy as np, pandas as pd, pyarrow as pa, pyarrow.compute
    unit = pa.field("x", pa.int64(), metadata={"unit": "m"})
    named = pa.fixed_shape_tensor(pa.int64(), (2, 2), dim_names=["x", "y"])
    ones = pa.array([1, 1])

    class Celsius(pa.ExtensionType):
        def __init__(self):
            super().__init__(pa.int64(), "test.celsius")

        def __arrow_ext_serialize__(self):
            return b""

    def matrices(kind):
        return pa.ExtensionArray.from_storage(kind, pa.array([[1, 2, 3, 4]], pa.list_(pa.int64(), 4)))

    def with_attrs(value):
        value.attrs["unit"] = "m"
        return value
    """)

    check_rows(session, arrow_numbers() ++ arrow_texts() ++ arrow_times() ++ arrow_nested() ++ arrow_tables())

    check_exports(
      session,
      ~w(pyarrow),
      ~w(pa.DataType pa.NativeFile pa.MemoryPool),
      ~w(Array FloatingPointArray IntegerArray NumericArray Scalar BuildInfo CacheOptions Codec CppBuildInfo Device DeviceAllocationType DictionaryMemo Field KeyValueMetadata
         MemoryManager Message MessageReader MetadataVersion RecordBatchFileReader RecordBatchFileWriter
         RecordBatchStreamReader RecordBatchStreamWriter ResizableBuffer RuntimeInfo Schema VersionInfo)
    )
  end

  # -- xarray --

  defp xarray_rows do
    alone = ["send array.to_dict()", "array.to_dataframe().reset_index()", "array.values alone"]

    [
      {"xr.DataArray([[1, 2]])", is(s64([1, 2], {1, 2}))},
      {"xr.DataArray([1, 2], name='n')", is(s64([1, 2]))},
      {"xr.DataArray([1, 2], dims='x')", refused(["its dimensions ('x',) would be lost" | alone])},
      {"xr.DataArray([1, 2], {'x': [5, 6]}, 'x')", refused(["its coordinates ['x'] would be lost" | alone])},
      {"xr.DataArray([1, 2], {'label': 7})", refused(["its coordinates ['label'] would be lost" | alone])},
      {"xr.DataArray([1, 2], attrs={'unit': 'm'})", refused(["its attrs ['unit'] would be lost" | alone])},
      {"xr.DataArray([1, 2], {'x': [5, 6]}, 'x', 'n').to_dict()",
       is(%{
         "dims" => {"x"},
         "attrs" => %{},
         "name" => "n",
         "data" => [1, 2],
         "coords" => %{"x" => %{"dims" => {"x"}, "attrs" => %{}, "data" => [5, 6]}}
       })},
      {"xr.DataArray([1, 2], {'x': [5, 6]}, 'x').to_series()", is(%{5 => 1, 6 => 2})},
      {"data.to_dataframe().reset_index()", is(%{"x" => s64([5, 6]), "a" => s64([1, 2])})},
      {"data", refused(["Dataset has no form", "dataset.to_dict()", "dataset.to_dataframe().reset_index()"])},
      {"data.coords", refused("Coordinates has no form")},
      {"xr.Coordinates({'x': [5, 6]})", refused("Coordinates has no form")},
      {"data.groupby('x')", refused("DatasetGroupBy has no rows of its own")},
      {"data.rolling(x=2)", refused("DatasetRolling has no rows of its own")},
      {"xr.Variable('dim_0', [1])", is(s64([1]))},
      {"xr.Variable('x', [1])", refused("its dimensions ('x',) would be lost")},
      {"xr.IndexVariable('x', [1])", refused("its dimensions ('x',) would be lost")},
      {"xr.NamedArray('x', np.array([1]))", refused("its dimensions ('x',) would be lost")},
      {"xr.DataTree.from_dict({'/': data})", refused("send its datasets one by one")}
    ]
  end

  @tag :xarray
  test "xarray", %{session: session} do
    PythonxPort.exec!(session, """
    import numpy as np, xarray as xr
    data = xr.Dataset({"a": ("x", [1, 2])}, {"x": [5, 6]})
    """)

    check_rows(session, xarray_rows())
    # A CFTimeIndex is an index of pandas, and needs a further package.
    check_exports(session, ~w(xarray), [], ~w(CFTimeIndex Context Index IndexSelResult set_options))
  end
end
