"""Turns Elixir's structs into Python objects and back, by one table for each direction.

`builders` maps the name of a struct to a function from its fields to an object. `simplifier(type)` finds the function
that turns an object of a type into something that the encoder handles: plain values, or a dict with the atoms of a
struct. The C side calls it once for each type. Modules such as datetime are imported when a value needs them.
"""

from _weakref import ref

from _pythonx import embedded
from erlang import Atom, EncodeError

STRUCT = Atom("__struct__")
ISO = Atom("Elixir.Calendar.ISO")

BASES = (bool, int, float, str, bytes, bytearray, memoryview, list, tuple, dict, set, frozenset)


def struct(name, **fields):
    value = {STRUCT: Atom("Elixir." + name)}
    for field, content in fields.items():
        value[Atom(field)] = content
    return value


# -- from Elixir ------------------------------------------------------------------------------------------------------


def iso_calendar(fields):
    if fields["calendar"] != ISO:
        raise ValueError(f"the calendar {fields['calendar']} is not Calendar.ISO")


def build_date(fields):
    from datetime import date

    iso_calendar(fields)
    return date(fields["year"], fields["month"], fields["day"])


def clock(fields):
    return fields["hour"], fields["minute"], fields["second"], fields["microsecond"][0]


def build_time(fields):
    from datetime import time

    iso_calendar(fields)
    return time(*clock(fields))


def build_naive_datetime(fields, **more):
    from datetime import datetime

    iso_calendar(fields)
    return datetime(fields["year"], fields["month"], fields["day"], *clock(fields), **more)


def build_datetime(fields):
    from datetime import timedelta, timezone

    name = fields["time_zone"]
    offset = timedelta(seconds=fields["utc_offset"] + fields["std_offset"])
    if name == "Etc/UTC" and not offset:
        return build_naive_datetime(fields, tzinfo=timezone.utc)
    if name.startswith("UTC") and name == timezone(offset).tzname(None):
        return build_naive_datetime(fields, tzinfo=timezone(offset))
    zone = time_zone(name)
    for fold in (0, 1):
        value = build_naive_datetime(fields, tzinfo=zone, fold=fold)
        if value.utcoffset() == offset:
            return value
    raise ValueError(f"in {name} the offset from UTC is {value.utcoffset()} then, not {offset}")


def time_zone(name):
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError(f"this machine's zoneinfo has no time zone {name!r} (pip install tzdata)") from None


def build_duration(fields):
    from datetime import timedelta

    if fields["year"] or fields["month"]:
        raise ValueError("years and months have no fixed length, which a timedelta has: send days")
    units = {name + "s": fields[name] for name in ("week", "day", "hour", "minute", "second")}
    return timedelta(**units, microseconds=fields["microsecond"][0])


def build_decimal(fields):
    from decimal import Decimal

    sign, coefficient = (0 if fields["sign"] >= 0 else 1), fields["coef"]
    if coefficient == "NaN":
        return Decimal((sign, (), "n"))
    if coefficient == "inf":
        return Decimal((sign, (0,), "F"))
    # A string or the context would round the digits or limit their number.
    return Decimal((sign, digits_of(coefficient), fields["exp"]))


def digits_of(coefficient):
    from decimal import Decimal

    return Decimal(coefficient).as_tuple().digits


def build_range(fields):
    first, last, step = fields["first"], fields["last"], fields.get("step")
    if step is None:
        step = 1 if first <= last else -1
    return range(first, last + (1 if step > 0 else -1), step)


def build_complex(fields):
    return complex(fields["re"], fields["im"])


def build_bytes(fields):
    data = fields["data"]
    if not isinstance(data, bytes):
        raise ValueError("data is a binary")
    return data


builders = {
    "Elixir.PythonxPort.Bytes": build_bytes,
    "Elixir.MapSet": lambda fields: set(fields["map"]),
    "Elixir.Date": build_date,
    "Elixir.Time": build_time,
    "Elixir.NaiveDateTime": build_naive_datetime,
    "Elixir.DateTime": build_datetime,
    "Elixir.Duration": build_duration,
    "Elixir.Decimal": build_decimal,
    "Elixir.Complex": build_complex,
    "Elixir.Regex": lambda fields: embedded("regexes").build(fields),
    "Elixir.Range": build_range,
}


# -- to Elixir --------------------------------------------------------------------------------------------------------


def calendar_day(value):
    return {"calendar": ISO, "year": value.year, "month": value.month, "day": value.day}


def clock_time(value):
    # Elixir has a precision, Python has not: a whole second gets none, any other value microseconds.
    microsecond = (value.microsecond, 6 if value.microsecond else 0)
    return {"hour": value.hour, "minute": value.minute, "second": value.second, "microsecond": microsecond}


def simplify_date(value):
    return struct("Date", **calendar_day(value))


def simplify_time(value):
    if value.tzinfo is not None:
        raise EncodeError("a time with a time zone has no form in Elixir")
    return struct("Time", calendar=ISO, **clock_time(value))


def simplify_datetime(value):
    if getattr(value, "nanosecond", 0):  # a Timestamp of pandas
        raise EncodeError("Elixir's times end at microseconds: round it first, as with timestamp.floor('us')")
    moment = {**calendar_day(value), **clock_time(value)}
    if value.tzinfo is None:
        return struct("NaiveDateTime", **moment)
    offset = value.utcoffset()
    if offset is None:
        raise EncodeError("a datetime whose time zone has no offset has no form in Elixir")
    standard = value.dst() or offset - offset
    return struct(
        "DateTime",
        **moment,
        **zone_names(value),
        utc_offset=whole_seconds(offset - standard),
        std_offset=whole_seconds(standard),
    )


def simplify_timedelta(value):
    if getattr(value, "nanoseconds", 0):  # a Timedelta of pandas
        raise EncodeError("Elixir's durations end at microseconds: round it first, as with timedelta.floor('us')")
    # A negative one has a negative number of days and no other; in Elixir all units of it are negative.
    sign = -1 if value.days < 0 else 1
    whole, microsecond = divmod(sign * ((value.days * 86400 + value.seconds) * 1000000 + value.microseconds), 1000000)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    day, hour = divmod(hours, 24)
    units = {"day": day, "hour": hour, "minute": minute, "second": second}
    return struct(
        "Duration",
        **{"year": 0, "month": 0, "week": 0},
        **{name: sign * count for name, count in units.items()},
        microsecond=(sign * microsecond, 6 if microsecond else 0),
    )


def simplify_complex(value):
    return struct("Complex", re=value.real, im=value.imag)


def simplify_zone(value):
    if value.key is None:
        raise EncodeError("a ZoneInfo without a key has no form in Elixir")
    return value.key


def whole_seconds(delta):
    if delta.microseconds:
        raise EncodeError(f"an offset from UTC of {delta} has no form in Elixir")
    return delta.days * 86400 + delta.seconds


def zone_names(value):
    from datetime import timezone

    # zoneinfo has the name as key, pytz as zone.
    zone = getattr(value.tzinfo, "key", None) or getattr(value.tzinfo, "zone", None)
    if value.tzinfo is timezone.utc or zone in ("UTC", "Etc/UTC"):
        return {"time_zone": "Etc/UTC", "zone_abbr": "UTC"}
    name = value.tzname() or ""
    return {"time_zone": zone or name, "zone_abbr": name}


def simplify_scalar(value):
    simple = value.item()
    if value.dtype.kind in "Mm" and isinstance(simple, int):
        raise EncodeError(f"a {value.dtype} has no form in Elixir, whose times end at microseconds")
    return simple


def simplify_void(value):
    # An element of a structured array is a map, as a row of the tables that have structs; other bytes are a binary.
    names = value.dtype.names
    return value.item() if names is None else {name: value[name] for name in names}


def simplify_decimal(value):
    sign, digits, exponent = value.as_tuple()
    if exponent == "F":
        return struct("Decimal", sign=-1 if sign else 1, coef=Atom("inf"), exp=0)
    if exponent == "N" or (exponent == "n" and digits):
        raise EncodeError("a signaling NaN, or one with a payload, has no form in Elixir")
    if exponent == "n":
        return struct("Decimal", sign=-1 if sign else 1, coef=Atom("NaN"), exp=0)
    from decimal import Decimal

    return struct("Decimal", sign=-1 if sign else 1, coef=int(Decimal((0, digits, 0))), exp=exponent)


def simplify_range(value):
    last = value.stop - (1 if value.step > 0 else -1)
    return struct("Range", first=value.start, last=last, step=value.step)


def simplify_set(value):
    fields = {"map": dict.fromkeys(value, [])}
    if mapset_version is not None:
        fields["version"] = mapset_version
    return struct("MapSet", **fields)


def simplify_dataclass(value):
    return {name: getattr(value, name) for name in type(value).__dataclass_fields__ if is_field(value, name)}


def simplify_attrs(value):
    return {field.name: getattr(value, field.name) for field in type(value).__attrs_attrs__}


def simplify_model(value):
    """Returns the fields of a model of pydantic, those that it computes and those that it was given beside them, all by
    their names in Python. Fields that the model excludes are left out, as in what it dumps itself."""
    type_ = type(value)
    if not hasattr(type_, "model_fields"):  # of pydantic 1, which keeps them in the object
        return dict(vars(value))
    names = [name for name, field in type_.model_fields.items() if not field.exclude]
    names += [name for name in type_.model_computed_fields if name not in names]
    return {**{name: getattr(value, name) for name in names}, **(value.__pydantic_extra__ or {})}


def is_field(value, name):
    # The table also contains pseudo-fields (ClassVar, InitVar).
    return type(value).__dataclass_fields__[name]._field_type.name == "_FIELD"


mapset_version = None

# How types of other modules are encoded; by their names, so that nothing is imported for them.
NAMED = {
    ("datetime", "datetime"): simplify_datetime,
    ("datetime", "date"): simplify_date,
    ("datetime", "time"): simplify_time,
    ("datetime", "timedelta"): simplify_timedelta,
    ("decimal", "Decimal"): simplify_decimal,
    ("builtins", "complex"): simplify_complex,
    ("zoneinfo", "ZoneInfo"): simplify_zone,
    ("re", "Pattern"): lambda value: embedded("regexes").simplify(value),
    ("builtins", "frozendict"): lambda value: dict(value),
    ("enum", "Enum"): lambda value: value.value,
    ("uuid", "UUID"): str,
    ("numpy", "void"): simplify_void,
    ("numpy", "generic"): simplify_scalar,
    ("numpy", "ndarray"): lambda value: tensors().subclass_to_array(value),
    ("_pythonx_tensor", "Tensor"): lambda value: tensors().simplify_tensor(value),
}


def by(module, function):
    """Returns a simplifier from a module of the engine that is loaded when a value needs it."""
    return lambda value: getattr(embedded(module), function)(value)


def refused(why):
    def refuse(value):
        raise EncodeError(f"{type(value).__module__}.{type(value).__qualname__} {why}")

    return refuse


no_rows = refused("has no rows of its own: aggregate it first, as with .sum() or .agg(...)")
sparse = refused("has no form: send tensor.to_tensor(), or its parts")

# Types of packages that move types between modules, by the package and the name.
PACKAGED = {
    ("numpy", "poly1d"): refused("has no form: send its coeffs"),
    ("numpy", "ABCPolyBase"): refused("has no form: send its coef, domain and window"),
    ("pydantic", "BaseModel"): simplify_model,
    ("pydantic", "RootModel"): lambda value: value.root,
    ("pandas", "DataFrame"): by("pandas_forms", "frame"),
    ("pandas", "Series"): by("pandas_forms", "series"),
    ("pandas", "Index"): by("pandas_forms", "index"),
    ("pandas", "ExtensionArray"): by("pandas_forms", "array"),
    ("pandas", "NaTType"): lambda value: None,
    ("pandas", "NAType"): lambda value: None,
    ("pandas", "Interval"): refused("has no form: send its left and right, and its closed if that matters"),
    ("pandas", "Period"): refused("has no form: send period.start_time, or str(period)"),
    ("pandas", "BaseOffset"): refused("has no form: send offset.freqstr"),
    ("pandas", "BaseGroupBy"): no_rows,
    ("pandas", "BaseWindow"): no_rows,
    ("polars", "DataFrame"): by("dataframes", "polars_frame"),
    ("polars", "LazyFrame"): by("dataframes", "polars_lazy_frame"),
    ("polars", "Series"): by("dataframes", "polars_series"),
    ("polars", "GroupBy"): no_rows,
    ("polars", "DynamicGroupBy"): no_rows,
    ("polars", "RollingGroupBy"): no_rows,
    ("polars", "LazyGroupBy"): no_rows,
    ("pyarrow", "Table"): by("arrow_forms", "table"),
    ("pyarrow", "RecordBatch"): by("arrow_forms", "table"),
    ("pyarrow", "ChunkedArray"): by("arrow_forms", "array"),
    ("pyarrow", "Array"): by("arrow_forms", "array"),
    ("pyarrow", "Scalar"): by("arrow_forms", "scalar"),
    ("pyarrow", "Tensor"): by("arrow_forms", "tensor"),
    ("pyarrow", "SparseCOOTensor"): sparse,
    ("pyarrow", "SparseCSRMatrix"): sparse,
    ("pyarrow", "SparseCSCMatrix"): sparse,
    ("pyarrow", "SparseCSFTensor"): sparse,
    ("pyarrow", "TableGroupBy"): no_rows,
    ("pyarrow", "RecordBatchReader"): refused("has no rows yet: send reader.read_all()"),
    ("xarray", "DataArray"): by("xarray_forms", "array"),
    ("xarray", "NamedArray"): by("xarray_forms", "array"),
    ("xarray", "Variable"): by("xarray_forms", "array"),
    ("xarray", "Dataset"): refused("has no form: send dataset.to_dict(), or dataset.to_dataframe().reset_index()"),
    ("xarray", "Coordinates"): refused("has no form: send coords.to_dataset().to_dict()"),
    ("xarray", "DataTree"): refused("has no form: send its datasets one by one, as with tree.to_dict()"),
    ("xarray", "GroupBy"): no_rows,
    ("xarray", "Rolling"): no_rows,
}

# The attribute that erlang.register_encoder sets on a type of the application. In a table the encoder, which mostly
# refers to its type, would keep the type alive.
ENCODER = "__erlang_encoder__"

# Types of C code, which take no attributes, with their encoders, by the id of the type.
registered = {}

# The results of `simplifier`, by the id of the type, and the weak references that remove an id once its type is gone.
# No value may refer to the type.
found = {}
watched = {}


class Watch(ref):
    __slots__ = ("id",)


def forget(watch):
    found.pop(watch.id, None)
    watched.pop(watch.id, None)


def register_encoder(type_, function):
    """Has objects of `type_` and of its subclasses encoded as what `function(object)` returns."""
    if not isinstance(type_, type):
        raise TypeError(f"register_encoder takes a type, not {type_!r}")
    if not callable(function):
        raise TypeError(f"register_encoder takes a function, not {function!r}")
    if type_ in BASES or type_ in (type(None), range, Atom):
        raise TypeError(f"{type_.__name__} has a form of its own")
    try:
        type.__setattr__(type_, ENCODER, staticmethod(function))
    except TypeError:
        # A type is called like any function; stored directly it would mean "encoded as that type".
        registered[id(type_)] = type_, (lambda value: function(value)) if isinstance(function, type) else function
    found.clear()
    watched.clear()


def tensors():
    return embedded("tensor")


def simplifier(type_):
    """Returns the function for objects of a type, or the name of the type's attribute that is the function; one of
    BASES if they are encoded as that; None if there is none."""
    watch = Watch(type_, forget)
    watch.id = id(type_)
    watched[watch.id] = watch
    function = found[watch.id] = find(type_)
    return function


def is_of_tables(type_):
    """Returns whether the type is of a library whose arrays hold more than numbers: one that PACKAGED does not name (in
    another version, say) must not become a bare array."""
    return any(base.__module__.partition(".")[0] in ("pandas", "polars", "pyarrow", "xarray") for base in type_.__mro__)


def find(type_):
    for base in type_.__mro__:
        if ENCODER in vars(base):
            return ENCODER
        if id(base) in registered:
            return registered[id(base)][1]
    for base in type_.__mro__:
        named = NAMED.get((base.__module__, base.__qualname__))
        if named is None:
            named = PACKAGED.get((base.__module__.partition(".")[0], base.__qualname__))
        if named is not None:
            return named
        if base is set or base is frozenset:
            return simplify_set
        if base is range:
            return simplify_range
        if base in BASES:
            return base
    if hasattr(type_, "__dataclass_fields__"):
        return simplify_dataclass
    if hasattr(type_, "__attrs_attrs__"):
        return simplify_attrs
    if hasattr(type_, "__array__") or hasattr(type_, "__dlpack__"):
        return None if is_of_tables(type_) else tensors().array_of
    if hasattr(type_, "__fspath__"):
        return "__fspath__"
    return None
