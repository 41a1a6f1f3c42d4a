"""Turns DataFrames into columns: a table of pandas, Polars or PyArrow becomes a dict of names and columns. A column of
numbers without nulls becomes an array, any other a list, with None for nulls."""

from erlang import EncodeError

import _pythonx

_numpy = _pythonx.embedded("tensor").numpy


class Refused:
    """Stands for a value without a form, so that the encoder's error names the column and the row."""

    def __init__(self, why):
        self.why = why


def refuse(refused):
    raise EncodeError(refused.why)


_pythonx.embedded("structs").register_encoder(Refused, refuse)


def nanoseconds():
    return Refused("Elixir's times end at microseconds: round the column first")


def columns(pairs):
    table = {}
    for name, column in pairs:
        if name in table:
            raise EncodeError(f"two columns are named {name!r}")
        table[name] = column
    return table


# -- pandas -----------------------------------------------------------------------------------------------------------


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
        # Returns the type of the numbers in a column that may have nulls, or is sparse.
        return series.to_numpy(dtype=getattr(dtype, "numpy_dtype", getattr(dtype, "subtype", dtype)))
    if dtype.kind == "m":
        return Refused("a column of timedelta has no form: send it as a number, such as column.dt.total_seconds()")
    # A Timestamp keeps its nanoseconds: the encoder refuses it rather than lose them.
    return [None if null else value for value, null in zip(series.astype(object), series.isna())]


def has_own_nulls(dtype):
    # Returns true for Int64, boolean and such; in a column of plain floats a null is a NaN, which has a form of its
    # own.
    return hasattr(dtype, "na_value") and hasattr(dtype, "numpy_dtype")


# -- Polars -----------------------------------------------------------------------------------------------------------


def polars_frame(frame):
    return columns((column.name, polars_series(column)) for column in frame.get_columns())


def polars_series(series):
    dtype = series.dtype
    if is_numpy_type(dtype) and series.null_count() == 0:
        return series.to_numpy()
    return polars_values(series) if polars_has_nanoseconds(series) else series.to_list()


def is_numpy_type(dtype):
    if dtype.is_numeric():
        return not dtype.is_decimal() and not str(dtype).endswith("128")
    return str(dtype) == "Boolean"


def polars_has_nanoseconds(series):
    dtype = series.dtype
    if is_time_in_nanoseconds(dtype):
        return (series.to_physical() % 1000 != 0).any()
    if not any(word in str(dtype) for word in ("Time", "'ns'")):
        return False
    kind = polars_kind(dtype)
    if kind in ("List", "Array"):
        return polars_has_nanoseconds(series.explode())
    if kind == "Struct":
        return any(polars_has_nanoseconds(series.struct.field(name)) for name in series.struct.fields)
    if kind == "Map":
        return polars_has_nanoseconds(series.map.entries())
    if kind == "Extension":
        return polars_has_nanoseconds(series.ext.storage())
    return False


def polars_values(series):
    """Does what to_list does, which cuts nanoseconds off, but puts Refused in their place. Slower, so it is only used
    if there are any."""
    kind = polars_kind(series.dtype)
    if is_time_in_nanoseconds(series.dtype):
        cut = series.to_physical() % 1000 != 0
        return [nanoseconds() if is_cut else value for value, is_cut in zip(series.to_list(), cut)]
    if kind in ("List", "Array"):
        return [None if items is None else polars_values(items) for items in series]
    if kind == "Struct":
        names = series.struct.fields
        rows = zip(*(polars_values(series.struct.field(name)) for name in names))
        return [None if null else dict(zip(names, row)) for null, row in zip(series.is_null(), rows)]
    if kind == "Map":
        rows = polars_values(series.map.entries())
        return [None if row is None else {entry["key"]: entry["value"] for entry in row} for row in rows]
    if kind == "Extension":
        return polars_values(series.ext.storage())
    return series.to_list()


def polars_kind(dtype):
    return "Extension" if hasattr(dtype, "ext_storage") else dtype.base_type().__name__


def is_time_in_nanoseconds(dtype):
    kind = polars_kind(dtype)
    return kind == "Time" or kind == "Datetime" and dtype.time_unit == "ns"


def polars_lazy_frame(_frame):
    raise EncodeError("a LazyFrame has no rows yet: send frame.collect()")


# -- PyArrow ----------------------------------------------------------------------------------------------------------


def arrow_table(table):
    return columns((name, arrow_array(table.column(at))) for at, name in enumerate(table.schema.names))


def arrow_array(array):
    import pyarrow
    import pyarrow.types as types

    if isinstance(array, pyarrow.ChunkedArray):
        array = array.combine_chunks()
    if isinstance(array, pyarrow.ChunkedArray):  # still in chunks: data over 2 GiB does not fit into one
        return [value for chunk in array.chunks for value in arrow_values(chunk)]
    kind = array.type
    numbers = types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)
    if numbers and array.null_count == 0:
        return array.to_numpy(zero_copy_only=False)
    return arrow_values(array)


def arrow_values(array):
    """Does what to_pylist does, which may cut nanoseconds off, but puts Refused in their place."""
    import pyarrow
    import pyarrow.types as types

    kind = array.type
    if (types.is_timestamp(kind) or types.is_time64(kind)) and kind.unit == "ns":
        whole_unit = pyarrow.time64("us") if types.is_time64(kind) else pyarrow.timestamp("us", kind.tz)
        cast = array.cast(whole_unit, safe=False)
        if cast.cast(kind).equals(array):
            return cast.to_pylist()
    if any(word in str(kind) for word in ("[ns", "extension<")):
        return [arrow_value(scalar) for scalar in array]
    return array.to_pylist()


def arrow_value(scalar):
    import pyarrow

    if not scalar.is_valid:
        return None
    if isinstance(scalar, pyarrow.MapScalar):
        return [tuple(map(arrow_value, entry.values())) for entry in scalar.values]
    if isinstance(scalar, pyarrow.ListScalar):
        return [arrow_value(item) for item in scalar.values]
    if isinstance(scalar, pyarrow.StructScalar):
        return {name: arrow_value(field) for name, field in scalar.items()}
    if isinstance(scalar, (pyarrow.TimestampScalar, pyarrow.Time64Scalar)):
        return nanoseconds() if scalar.type.unit == "ns" and scalar.value % 1000 else scalar.as_py()
    has_own_form = isinstance(scalar, pyarrow.ExtensionScalar) and type(scalar) is not pyarrow.ExtensionScalar
    held = getattr(scalar, "value", None)  # of a dictionary, a union and such
    return arrow_value(held) if isinstance(held, pyarrow.Scalar) and not has_own_form else scalar.as_py()
