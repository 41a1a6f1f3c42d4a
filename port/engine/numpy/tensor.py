"""Converts arrays that tensor.c cannot send as they lie: strided, byte-swapped, of torch, or of a type that Nx does not
have."""

from _pythonx import TENSOR_STRUCT
from erlang import Atom, EncodeError

# The kinds of types in Nx by NumPy's letters for them, and how many bits each may have.
KINDS = {"b": "u", "u": "u", "i": "s", "f": "f", "c": "c"}
SIZES = {"u": (8, 16, 32, 64), "s": (8, 16, 32, 64), "f": (16, 32, 64), "c": (64, 128)}
# Types of Nx that NumPy itself does not have, by their names in the package ml_dtypes.
ML_DTYPES = {"bfloat16": ("bf", 16), "float8_e5m2": ("f", 8), "float8_e4m3fn": ("f8_e4m3fn", 8)}


def numpy():
    try:
        import numpy
    except ImportError as error:
        raise ValueError(f"tensors need NumPy in this Python, and it cannot be imported ({error})") from None
    return numpy


def dtype_of(kind, bits):
    """Returns the dtype for a type of Nx; raises ValueError if NumPy has none."""
    np = numpy()
    for name, type_ in ML_DTYPES.items():
        if type_ == (kind, bits):
            return ml_dtype(np, name, f"{{:{kind}, {bits}}}")
    letter = {"u": "u", "s": "i", "f": "f", "c": "c"}.get(kind)
    if letter is None or bits not in SIZES[kind]:
        raise ValueError(f"NumPy has no type for {{:{kind}, {bits}}}")
    return np.dtype(f"{letter}{bits // 8}")


def ml_dtype(np, name, shown):
    try:
        import ml_dtypes
    except ImportError:
        raise ValueError(f"tensors of type {shown} need the package ml_dtypes in this Python") from None
    if not hasattr(ml_dtypes, name):
        raise ValueError(f"tensors of type {shown} need a newer version of the package ml_dtypes in this Python")
    return np.dtype(getattr(ml_dtypes, name))


def from_buffer(buffer, dtype, shape):
    """Makes a writable array on a buffer, if NumPy's C API cannot be used."""
    return numpy().ndarray(shape, dtype, buffer)


def plain(array):
    """Returns (array, kind, bits): a C-contiguous and native-endian array, and its type in Nx."""
    np = numpy()
    dtype = array.dtype
    bits = 8 * dtype.itemsize
    of_ml_dtypes = ML_DTYPES.get(dtype.name)
    kind = of_ml_dtypes[0] if of_ml_dtypes else KINDS.get(dtype.kind)
    if not of_ml_dtypes and bits not in SIZES.get(kind, ()):
        raise EncodeError(f"an array of {dtype} has no form as a tensor{hint(dtype)}")
    # NumPy does not export unaligned arrays as buffers.
    native = np.require(array, dtype.newbyteorder("="), "CA")
    return native.view(f"u{dtype.itemsize}") if of_ml_dtypes else native, kind, bits


def hint(dtype):
    if dtype.kind in "Mm":
        return ": send array.astype('int64') and its unit, or array.tolist()"
    if dtype.kind in "OSUT":
        return ": send array.tolist()"
    if dtype.names:
        return ": send its fields one by one, as with {name: array[name] for name in array.dtype.names}"
    return ": convert it with astype"


# -- what is not an ndarray but can become one ------------------------------------------------------------------------


def array_of(value):
    """Returns the ndarray for an object with __array__ or __dlpack__ (a torch tensor, a jax array, an image)."""
    np = numpy()
    try:
        if hasattr(value, "detach"):
            value = value.detach()  # a tensor that tracks gradients does not export its data
        if hasattr(value, "resolve_conj"):
            value = value.resolve_conj().resolve_neg()  # nor does one that is conjugated or negated by a flag
        type_ = ML_DTYPES.get(str(getattr(value, "dtype", "")).removeprefix("torch."))
        if type_ and hasattr(value, "detach"):
            return torch_tensor(value, *type_)
        array = np.asarray(value) if hasattr(value, "__array__") else np.from_dlpack(value)
    except Exception as error:
        raise EncodeError(f"{type(value).__module__}.{type(value).__qualname__} as an array: {error}") from error
    if type(array) is not np.ndarray:
        raise EncodeError(f"{type(value).__qualname__} did not become an array")
    return array


def torch_tensor(value, kind, bits):
    import torch

    return Tensor(value.contiguous().view(torch.int16 if bits == 16 else torch.uint8).numpy(), kind, bits)


class Tensor:
    """Stands for an array of a type that NumPy may not have."""

    def __init__(self, array, kind, bits):
        self.array, self.kind, self.bits = array, kind, bits


def simplify_tensor(value):
    return {
        Atom("__struct__"): Atom(TENSOR_STRUCT),
        Atom("type"): (Atom(value.kind), value.bits),
        Atom("shape"): value.array.shape,
        Atom("data"): memoryview(value.array.reshape(-1).view("u1")),
    }


def subclass_to_array(value):
    """A subclass of ndarray may have more than the array, which must not get lost."""
    np = numpy()
    if isinstance(value, np.ma.MaskedArray):
        raise EncodeError("a masked array has no form as a tensor: send array.filled(value), or its data and its mask")
    held = [] if type(value).__module__.partition(".")[0] == "numpy" else fields_of(value)
    if held:
        raise EncodeError(
            f"{', '.join(held)} of {type(value).__qualname__} would be lost: send numpy.asarray(value), and that beside it"
        )
    return np.asarray(value)


def fields_of(value):
    """Returns the names of what a subclass of the application keeps beside the numbers, such as a unit."""
    names = list(getattr(value, "__dict__", ()))
    for base in type(value).__mro__:
        slots = vars(base).get("__slots__", ())
        names += [slots] if isinstance(slots, str) else slots
    return [name for name in names if not name.startswith("__") and getattr(value, name, None) is not None]
