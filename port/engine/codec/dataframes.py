"""Turns tables of Polars into columns, and has what all tables share: a table becomes a dict of names and columns.

A column of numbers without nulls becomes an array, any other a list, with None for nulls. What an object holds besides
its values either has a place in that form, or the object is refused. Two things stay behind: the name of a Series, since
the code that took the column has it, and types (widths, units of time, categories and their order), which terms lack.
"""

from erlang import EncodeError

import _pythonx


class Refused:
    """Stands for a value without a form, so that the encoder's error names the column and the row."""

    def __init__(self, why):
        self.why = why


def raise_why(refused):
    raise EncodeError(refused.why)


_pythonx.embedded("structs").register_encoder(Refused, raise_why)


def nanoseconds():
    return Refused("Elixir's times end at microseconds: round the column first")


def lost(what, instead):
    """Returns the error for an object that holds more than its form has a place for."""
    return EncodeError(f"{what} would be lost: send {instead}")


def columns(pairs, rows):
    table = {}
    for name, column in pairs:
        if name in table:
            raise EncodeError(f"two columns are named {name!r}")
        table[name] = column
    if rows and not table:
        raise lost(f"the number of rows without columns, {rows},", "that number")
    return table


# -- Polars -----------------------------------------------------------------------------------------------------------


def polars_frame(frame):
    pairs = ((column.name, polars_series(column)) for column in frame.get_columns())
    return columns(pairs, frame.height)


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
    return kind == "Time" or kind in ("Datetime", "Duration") and dtype.time_unit == "ns"


def polars_lazy_frame(_frame):
    raise EncodeError("a LazyFrame has no rows yet: send frame.collect()")
