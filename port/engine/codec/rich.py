"""Shows an object as a notebook does: by the methods that IPython looks for, and by its repr."""

import sys

from _pythonx import embedded

# The fields of %PythonxPort.Rich{} by the type of their contents, the method that gives them, and the type of its value.
FORMATS = {
    "text/html": ("html", "_repr_html_", str),
    "text/markdown": ("markdown", "_repr_markdown_", str),
    "text/latex": ("latex", "_repr_latex_", str),
    "image/svg+xml": ("svg", "_repr_svg_", str),
    "image/png": ("png", "_repr_png_", bytes),
    "image/jpeg": ("jpeg", "_repr_jpeg_", bytes),
}
PLAIN = "text/plain"

# How many items of a list are searched for one that is drawn on a figure.
ITEMS_MAX = 8


def describe(value):
    """Returns the struct as a dict. A method that raises, or that returns something else, is reported on standard error,
    and the others are used."""
    bundle = {} if isinstance(value, type) else bundle_of(value)
    fields = {name: bundle.pop(mime, None) for mime, (name, _method, _type) in FORMATS.items()}
    text = bundle.pop(PLAIN, None)
    return embedded("structs").struct(
        "PythonxPort.Rich", text=repr_of(value) if text is None else text, **fields, data=bundle
    )


def bundle_of(value):
    bundle = from_bundle(value)
    for mime, (_field, method, _type) in FORMATS.items():
        if mime not in bundle:
            add(bundle, value, mime, result_of(value, method), method)
    if not bundle.keys() & FORMATS.keys():
        add(bundle, value, "image/png", figure_png(value), "savefig")
    return bundle


def from_bundle(value):
    method = "_repr_mimebundle_"
    content = without_metadata(result_of(value, method, include=None, exclude=None))
    bundle = {}
    if isinstance(content, dict):
        for mime, part in content.items():
            add(bundle, value, mime, part, method)
    elif content is not None:
        report(value, method, f"returned {type(content).__name__}, not dict")
    return bundle


def add(bundle, value, mime, content, method):
    content = without_metadata(content)
    if content is None:
        return
    if not isinstance(mime, str):
        return report(value, method, f"has {type(mime).__name__} for a type of contents, not str")
    type_ = str if mime == PLAIN else FORMATS[mime][2] if mime in FORMATS else None
    if type_ is bytes and isinstance(content, str):
        content = decoded(content)
    if type_ is not None and not isinstance(content, type_):
        what = "text that is not base64" if content is ... else type(content).__name__
        return report(value, method, f"returned {what} for {mime}, not {type_.__name__}")
    bundle[mime] = sendable(content) if isinstance(content, str) else content


def without_metadata(content):
    # Any of these methods may return a pair of the contents and their metadata.
    return content[0] if isinstance(content, tuple) and len(content) == 2 else content


def decoded(text):
    """Returns the bytes of what a method may give in base64 instead; ... if it is something else."""
    from binascii import Error, a2b_base64

    try:
        return a2b_base64("".join(text.split()), strict_mode=True)
    except (Error, ValueError):
        return ...


def sendable(text):
    # Lone surrogates, which have no UTF-8, are shown as \udc80 and the like.
    return text.encode("utf-8", "backslashreplace").decode()


def result_of(value, name, **arguments):
    """Returns what the method returns; None if there is none, or if it raises."""
    try:
        # An object that has every attribute that one asks for has none of these methods.
        if hasattr(value, "_ipython_canary_method_should_not_exist_"):
            return None
        method = getattr(value, name, None)
        return method(**arguments) if callable(method) else None
    except NotImplementedError:
        return None
    except Exception as error:
        report(value, name, "raised", error)
        return None


def repr_of(value):
    try:
        return sendable(repr(value))
    except Exception as error:
        report(value, "__repr__", "raised", error)
        return sendable(object.__repr__(value))


def figure_png(value):
    if "matplotlib.figure" not in sys.modules:
        return None
    from io import BytesIO

    content = BytesIO()
    try:
        figure = figure_of(value)
        if figure is None:
            return None
        figure.savefig(content, format="png", bbox_inches="tight")
    except Exception as error:
        report(value, "savefig", "raised", error)
        return None
    return content.getvalue()


def figure_of(value):
    """Returns the figure of matplotlib that the value is, or that it is drawn on, as what plot() returns is."""
    from matplotlib.figure import Figure

    artist = artist_of(value)
    if artist is None:
        return None
    figure = artist if isinstance(artist, Figure) else artist.get_figure()
    while figure is not None and not isinstance(figure, Figure):
        figure = figure.figure
    return figure


def artist_of(value, depth=2):
    from matplotlib.artist import Artist

    if issubclass(type(value), Artist):
        return value
    # Plotting functions return lists and arrays of them, and tuples in which one of these stands.
    if depth > 0 and isinstance(value, (list, tuple)):
        items = value[:ITEMS_MAX]
    elif depth > 0 and type(value).__name__ == "ndarray" and value.dtype == object:
        items = value.flat[:ITEMS_MAX]
    else:
        return None
    found = (artist_of(item, depth - 1) for item in items)
    return next((artist for artist in found if artist is not None), None)


def report(value, method, problem, error=None):
    if sys.stderr is None:
        return
    type_ = type(value)
    print(f"{type_.__module__}.{type_.__qualname__}.{method} {problem}", file=sys.stderr)
    if error is not None:
        from traceback import print_exception

        print_exception(error, file=sys.stderr)
