"""DataFrames as columns: a table of pandas, Polars or PyArrow becomes a dict of names and columns. A column of numbers
without nulls becomes an array, any other a list, with None for nulls."""

from erlang import EncodeError

import _pythonx

_numpy = _pythonx.embedded("tensor").numpy


def columns(pairs):
    table = {}
    for name, column in pairs:
        if name in table:
            raise EncodeError(f"two columns are named {name!r}")
        table[name] = column
    return table


# -- pandas ------------------------------------------------------------------------------------------------------------


def pandas_frame(frame):
    index = frame.index
    if index.nlevels > 1 or index.name is not None or index.dtype.kind not in "iu":
        raise EncodeError("the index of a DataFrame has no place among the columns: send frame.reset_index()")
    return columns((name, pandas_series(frame.iloc[:, at])) for at, name in enumerate(frame.columns))


def pandas_series(series):
    dtype = series.dtype
    if hasattr(dtype, "pyarrow_dtype"):
        return arrow_array(series.array.__arrow_array__())
    if dtype.kind in "biufc" and not (has_own_nulls(dtype) and series.hasnans):
        # What the numbers are in a column that may have nulls, or is sparse.
        return series.to_numpy(dtype=getattr(dtype, "numpy_dtype", getattr(dtype, "subtype", dtype)))
    if dtype.kind == "M":
        whole_microseconds(series.dropna().dt.nanosecond.any())
    if dtype.kind == "m":
        raise EncodeError("a column of timedelta has no form: send it as a number, such as column.dt.total_seconds()")
    return [None if null else value for value, null in zip(series.astype(object), series.isna())]


def has_own_nulls(dtype):
    # Int64, boolean and such; in a column of plain floats a null is a NaN, which has a form of its own.
    return hasattr(dtype, "na_value") and hasattr(dtype, "numpy_dtype")


def whole_microseconds(has_nanoseconds):
    if has_nanoseconds:
        raise EncodeError("Elixir's times end at microseconds: round the column first, as with column.dt.floor('us')")


# -- Polars ------------------------------------------------------------------------------------------------------------


def polars_frame(frame):
    return columns((column.name, polars_series(column)) for column in frame.get_columns())


def polars_series(series):
    dtype = series.dtype
    if is_numpy_type(dtype) and series.null_count() == 0:
        return series.to_numpy()
    if str(dtype) == "Time":
        whole_microseconds((series.to_physical() % 1000 != 0).any())
    if getattr(dtype, "time_unit", None) == "ns" and str(dtype).startswith("Datetime"):
        whole_microseconds((series.dt.nanosecond() % 1000 != 0).any())
    return series.to_list()


def is_numpy_type(dtype):
    if dtype.is_numeric():
        return not dtype.is_decimal() and not str(dtype).endswith("128")
    return str(dtype) == "Boolean"


def polars_lazy_frame(_frame):
    raise EncodeError("a LazyFrame has no rows yet: send frame.collect()")


# -- PyArrow -----------------------------------------------------------------------------------------------------------


def arrow_table(table):
    return columns((name, arrow_array(table.column(at))) for at, name in enumerate(table.schema.names))


def arrow_array(array):
    import pyarrow
    import pyarrow.types as types

    if isinstance(array, pyarrow.ChunkedArray):
        array = array.combine_chunks()
    if isinstance(array, pyarrow.ChunkedArray):  # still in chunks: what is over 2 GiB does not fit one
        return [value for chunk in array.chunks for value in chunk.to_pylist()]
    kind = array.type
    numbers = types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)
    if numbers and array.null_count == 0:
        return array.to_numpy(zero_copy_only=False)
    if (types.is_timestamp(kind) or types.is_time64(kind)) and kind.unit == "ns":
        whole_unit = pyarrow.time64("us") if types.is_time64(kind) else pyarrow.timestamp("us", kind.tz)
        cast = array.cast(whole_unit, safe=False)
        whole_microseconds(not cast.cast(kind).equals(array))
        array = cast
    return array.to_pylist()
