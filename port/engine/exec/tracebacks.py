"""Exceptions as people read them: message, type and traceback, with the source lines of evaluated code."""

import linecache
import traceback

# Sources of evaluated code by file name; the engine puts them in, and bounds them.
sources = {}


shown = {}


def show_sources():
    """Gives linecache the lines of evaluated code, unless they stand in a file that is there."""
    for file, source in sources.items():
        if shown.get(file) is source or (file not in shown and linecache.getlines(file)):
            continue
        lines = [line + "\n" for line in source.splitlines()]
        linecache.cache[file] = (len(source), None, lines, file)
        shown[file] = source


def forget(file):
    if shown.pop(file, None) is not None:
        linecache.cache.pop(file, None)


def type_name(exception):
    kind = type(exception)
    if kind.__module__ in ("builtins", "__main__"):
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"


def message(exception):
    try:
        return str(exception)
    except Exception as failure:
        return f"<str() of the exception raised {type_name(failure)}>"


def without_engine(trace):
    """The trace without the frames of the engine's own files that it begins with."""
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith("<pythonx_port "):
        trace = trace.tb_next
    return trace


def describe(exception):
    try:
        show_sources()
        exception.__traceback__ = without_engine(exception.__traceback__)
        text = "".join(traceback.format_exception(exception))
    except Exception as failure:
        text = f"<no traceback: {type_name(failure)}: {message(failure)}>\n"
    return message(exception), type_name(exception), text
