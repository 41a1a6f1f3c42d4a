"""Turns an array of xarray that has nothing besides its values into a NumPy array, and refuses any other."""

from erlang import EncodeError


def array(value):
    held = []
    if tuple(value.dims) != tuple(f"dim_{at}" for at in range(value.ndim)):
        held.append(f"its dimensions {tuple(value.dims)}")
    coordinates = [str(name) for name in getattr(value, "coords", ())]
    if coordinates:
        held.append(f"its coordinates {coordinates}")
    if value.attrs:
        held.append(f"its attrs {sorted(map(str, value.attrs))}")
    if held:
        raise EncodeError(
            f"{' and '.join(held)} would be lost: send array.to_dict(), array.to_dataframe().reset_index(),"
            " or array.values alone"
        )
    return value.values
