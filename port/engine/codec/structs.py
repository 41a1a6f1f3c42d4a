"""Turns Elixir's structs into Python objects and back, by one table for each direction.

`builders` maps the name of a struct to a function from its fields to an object. `simplifier(type)` finds the function
that turns an object of a type into something that the encoder handles: plain values, or a dict with the atoms of a
struct. The C side calls it once for each type. Modules such as datetime are imported when a value needs them.
"""

from _weakref import ref

from _pythonx import embedded
from erlang import Atom, EncodeError

STRUCT = Atom("__struct__")

BASES = (bool, int, float, str, bytes, bytearray, memoryview, list, tuple, dict, set, frozenset)


def struct(name, **fields):
    value = {STRUCT: Atom("Elixir." + name)}
    for field, content in fields.items():
        value[Atom(field)] = content
    return value


# -- from Elixir ------------------------------------------------------------------------------------------------------


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


def time_builder(name):
    """Returns the builder for a struct of times.py, which loads that file and puts its builders in place of these."""

    def build(fields):
        builders.update(embedded("times").builders)
        return builders[name](fields)

    return build


builders = {
    "Elixir.PythonxPort.Bytes": build_bytes,
    "Elixir.MapSet": lambda fields: set(fields["map"]),
    "Elixir.Date": time_builder("Elixir.Date"),
    "Elixir.Time": time_builder("Elixir.Time"),
    "Elixir.NaiveDateTime": time_builder("Elixir.NaiveDateTime"),
    "Elixir.DateTime": time_builder("Elixir.DateTime"),
    "Elixir.Duration": time_builder("Elixir.Duration"),
    "Elixir.Decimal": build_decimal,
    "Elixir.Complex": build_complex,
    "Elixir.Regex": lambda fields: embedded("regexes").build(fields),
    "Elixir.Range": build_range,
}


# -- to Elixir --------------------------------------------------------------------------------------------------------


def simplify_complex(value):
    return struct("Complex", re=value.real, im=value.imag)


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
    ("decimal", "Decimal"): simplify_decimal,
    ("builtins", "complex"): simplify_complex,
    ("re", "Pattern"): lambda value: embedded("regexes").simplify(value),
    ("builtins", "frozendict"): lambda value: dict(value),
    ("enum", "Enum"): lambda value: value.value,
    ("uuid", "UUID"): str,
    ("numpy", "void"): simplify_void,
    ("numpy", "generic"): simplify_scalar,
    ("numpy", "ndarray"): lambda value: tensors().subclass_to_array(value),
    ("_pythonx_tensor", "Tensor"): lambda value: tensors().simplify_tensor(value),
}

# The modules whose types times.py encodes.
TIME_MODULES = ("datetime", "zoneinfo")


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
        forms = embedded("times").simplifiers if base.__module__ in TIME_MODULES else NAMED
        named = forms.get((base.__module__, base.__qualname__))
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
