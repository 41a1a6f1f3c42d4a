"""Turns what PyArrow has into columns: a Table or a RecordBatch becomes a dict of columns, an array a column, a scalar
its value."""

from erlang import EncodeError

from _pythonx import embedded

_shared = embedded("dataframes")


def table(table):
    refuse_metadata(table.schema)
    pairs = ((name, column(table.column(at))) for at, name in enumerate(table.schema.names))
    return _shared.columns(pairs, table.num_rows)


# -- metadata ---------------------------------------------------------------------------------------------------------


def refuse_metadata(schema):
    """Refuses a schema with metadata, except for what says no more than the table itself does."""
    for key, value in (schema.metadata or {}).items():
        if key != b"pandas":
            raise _shared.lost(f"the metadata {key!r} of the schema", WITHOUT_METADATA)
        refuse_pandas_metadata(value)
    for field in schema:
        refuse_field(field, field.name)


WITHOUT_METADATA = "table.schema.metadata on its own, and table.replace_schema_metadata()"


def refuse_pandas_metadata(text):
    """Refuses what Table.from_pandas and read_parquet keep of an index, or of attrs, outside of the columns."""
    from json import loads

    held = loads(text)
    for index in held.get("index_columns", ()):
        # Any other index is a column of the table.
        if isinstance(index, dict) and (index["name"], index["start"], index["step"]) != (None, 0, 1):
            raise _shared.lost("the index in the metadata of pandas", WITHOUT_METADATA)
    if any(names["name"] is not None for names in held.get("column_indexes", ())):
        raise _shared.lost("the name of the columns in the metadata of pandas", WITHOUT_METADATA)
    if held.get("attributes"):
        raise _shared.lost("the attrs in the metadata of pandas", WITHOUT_METADATA)


def refuse_field(field, path):
    for key in field.metadata or ():
        # Parquet numbers the fields of all its files.
        if not key.startswith(b"PARQUET:"):
            raise _shared.lost(f"the metadata {key!r} of {path}", "it on its own, and the column without it")
    refuse_type(field.type, path)


def refuse_type(kind, path):
    """Refuses a type with metadata, names or twins in it that the values do not have."""
    if getattr(kind, "dim_names", None):
        raise _shared.lost(f"the names of the dimensions of {path}", "column.to_numpy_ndarray()")
    fields = fields_of(kind)
    names = [field.name for field in fields]
    if len(set(names)) < len(names) and str(kind).startswith("struct<"):
        raise EncodeError(f"two fields of {path} have one name: {names}")
    for field in fields:
        refuse_field(field, f"{path}.{field.name}")


def fields_of(kind):
    if hasattr(kind, "field"):
        return [kind.field(at) for at in range(kind.num_fields)]
    # Types of an older PyArrow have these; the type that a scalar of an extension gives may have none.
    names = ("value_field", "key_field", "item_field")
    return [getattr(kind, name) for name in names if hasattr(kind, name)]


# -- values -----------------------------------------------------------------------------------------------------------


def array(array):
    refuse_type(array.type, "the values")
    return column(array)


def column(array):
    import pyarrow
    import pyarrow.types as types

    if isinstance(array, pyarrow.ChunkedArray):
        array = array.combine_chunks()
    if isinstance(array, pyarrow.ChunkedArray):  # still in chunks: data over 2 GiB does not fit into one
        return [value for chunk in array.chunks for value in to_list(chunk)]
    kind = array.type
    numbers = types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)
    if numbers and array.null_count == 0:
        return array.to_numpy(zero_copy_only=False)
    if hasattr(array, "to_numpy_ndarray") and array.null_count == 0:
        return array.to_numpy_ndarray()  # tensors of one shape
    return to_list(array)


def to_list(array):
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
        return [value_of(scalar) for scalar in array]
    return array.to_pylist()


def scalar(scalar):
    refuse_type(scalar.type, "the value")
    return value_of(scalar)


def value_of(scalar):
    import pyarrow

    if not scalar.is_valid:
        return None
    if isinstance(scalar, pyarrow.MapScalar):
        return [tuple(map(value_of, entry.values())) for entry in scalar.values]
    if isinstance(scalar, pyarrow.ListScalar):
        return [value_of(item) for item in scalar.values]
    if isinstance(scalar, pyarrow.StructScalar):
        return {name: value_of(field) for name, field in scalar.items()}
    if isinstance(scalar, (pyarrow.TimestampScalar, pyarrow.Time64Scalar, pyarrow.DurationScalar)):
        return _shared.nanoseconds() if scalar.type.unit == "ns" and scalar.value % 1000 else scalar.as_py()
    if isinstance(scalar, pyarrow.ExtensionScalar) and hasattr(scalar.type, "permutation"):  # a tensor
        if not hasattr(scalar, "to_numpy"):  # an older PyArrow
            return _shared.Refused("the shape of a tensor would be lost: send column.to_numpy_ndarray()")
        return scalar.to_numpy()
    has_own_form = isinstance(scalar, pyarrow.ExtensionScalar) and type(scalar) is not pyarrow.ExtensionScalar
    held = getattr(scalar, "value", None)  # of a dictionary, a union and such
    return value_of(held) if isinstance(held, pyarrow.Scalar) and not has_own_form else scalar.as_py()


def tensor(tensor):
    if tensor.dim_names and any(tensor.dim_names):
        raise _shared.lost("the names of its dimensions", "tensor.to_numpy()")
    return tensor.to_numpy()
