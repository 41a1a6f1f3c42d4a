"""Describes exceptions: message, type and traceback, with the source lines of evaluated code."""

import linecache
import traceback

from _pythonx import embedded

show_sources = embedded("sources").install


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
    """Returns the trace without the frames of the engine's own files that it begins with."""
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith("<pythonx_port "):
        trace = trace.tb_next
    return trace


def describe(exception):
    try:
        show_sources(linecache)
        exception.__traceback__ = without_engine(exception.__traceback__)
        text = "".join(traceback.format_exception(exception))
    except Exception as failure:
        text = f"<no traceback: {type_name(failure)}: {message(failure)}>\n"
    return message(exception), type_name(exception), text
