"""Turns what pandas has into columns and maps: a DataFrame becomes a dict of columns, a Series with an index of labels a
dict of labels and values, any other Series, Index or array of pandas a column."""

from erlang import EncodeError

from _pythonx import embedded

_shared = embedded("dataframes")
_arrow = embedded("arrow_forms")


def frame(frame):
    refuse_extras(frame, "frame")
    if not counts_rows(frame.index):
        raise _shared.lost("the index", "frame.reset_index(), or frame.reset_index(drop=True) to leave it out")
    if any(name is not None for name in frame.columns.names):
        raise _shared.lost(
            f"the name of the columns, {frame.columns.names[0]!r},", "frame.rename_axis(columns=None) to leave it out"
        )
    pairs = ((name, column(frame.iloc[:, at])) for at, name in enumerate(frame.columns))
    return _shared.columns(pairs, len(frame))


def series(series):
    refuse_extras(series, "series")
    # This looks at the kind of index alone: labels that happen to be 0, 1, 2 in one result (of value_counts, say) and
    # others in the next must not change the form.
    if is_default(series.index):
        return column(series)
    return labelled(series.index, column(series))


def refuse_extras(value, name):
    """Refuses an object with attrs, or with the properties that a subclass adds (GeoPandas, say)."""
    if value.attrs:
        raise _shared.lost(f"its attrs, {sorted(map(str, value.attrs))},", f"{name}.attrs, and {name} without them")
    for field in value._metadata:
        if field != "_name" and getattr(value, field, None) is not None:
            raise _shared.lost(f"{type(value).__qualname__}.{field}", "what you need of it, or register an encoder")


# -- the index --------------------------------------------------------------------------------------------------------


def is_default(index):
    if not hasattr(index, "step") or index.name is not None:  # only a RangeIndex has a step
        return False
    return (index.start == 0 and index.step == 1) or range(index.start, index.stop, index.step) == range(len(index))


def counts_rows(index):
    """Returns whether the index of a frame says no more than the order of its rows."""
    if index.nlevels > 1 or index.name is not None or index.dtype.kind not in "iu":
        return False
    return is_default(index) or bool((index == range(len(index))).all())


def labelled(index, values):
    if isinstance(values, _shared.Refused):
        return values
    keys = labels(index)
    values = values if isinstance(values, list) else values.tolist()
    try:
        table = dict(zip(keys, values))
    except TypeError as error:
        raise EncodeError(f"labels of the index are not keys of a map ({error}): {INSTEAD}") from None
    if len(table) != len(values):
        raise EncodeError(f"two rows have the label {twice(keys)!r}: {INSTEAD}")
    return table


INSTEAD = "send series.reset_index(), or series.reset_index(drop=True) to leave the labels out"


def twice(keys):
    seen = set()
    return next(key for key in keys if key in seen or seen.add(key))


def labels(index):
    """Returns the labels in a list: tuples for an index of several levels."""
    if index.nlevels > 1:
        return list(zip(*(labels(index.get_level_values(level)) for level in range(index.nlevels))))
    values = column(index.to_series())
    if isinstance(values, _shared.Refused):
        raise EncodeError(f"labels of the index are of type {index.dtype}, which has no form: {INSTEAD}")
    return values if isinstance(values, list) else values.tolist()


def index(index):
    return labels(index) if index.nlevels > 1 else column(index.to_series())


# -- values -----------------------------------------------------------------------------------------------------------


def array(array):
    from pandas import Series

    return column(Series(array, copy=False))


def column(series):
    """Returns an array or a list of the values of a Series."""
    dtype = series.dtype
    if hasattr(dtype, "pyarrow_dtype"):
        return _arrow.column(series.array.__arrow_array__())
    if dtype.kind in "biufc" and not (has_own_nulls(dtype) and series.hasnans):
        # Returns the type of the numbers in a column that may have nulls, or is sparse.
        return series.to_numpy(dtype=getattr(dtype, "numpy_dtype", getattr(dtype, "subtype", dtype)))
    # A Timestamp and a Timedelta keep their nanoseconds: the encoder refuses those rather than lose them.
    return [None if null else value for value, null in zip(series.astype(object), series.isna())]


def has_own_nulls(dtype):
    # Returns true for Int64, boolean and such; in a column of plain floats a null is a NaN, which has a form of its
    # own.
    return hasattr(dtype, "na_value") and hasattr(dtype, "numpy_dtype")
