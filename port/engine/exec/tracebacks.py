"""Describes exceptions: message, type and traceback, with the source lines of evaluated code."""

import linecache
import traceback

# Sources of evaluated code by file name; the engine adds them, within a bound.
sources = {}

# The sources whose lines are in linecache, the oldest first, with the bytes of those lines. The engine sets the bound.
cached = {}
cached_bytes = 0
cached_max = 0


def show_sources(exception):
    """Puts the lines of evaluated code that the traceback shows into linecache, unless they are in a file that
    exists."""
    for file in files_of(exception):
        source = sources.get(file)
        if source is None or (file in cached and cached[file][0] is source):
            continue
        if file in cached or not linecache.getlines(file):
            show(file, source)


def files_of(exception):
    """Returns the files of all frames of the exception, of its causes and of the exceptions that it groups."""
    files, known, left = {}, set(), [exception]
    while left:
        part = left.pop()
        if part is None or id(part) in known:
            continue
        known.add(id(part))
        trace = part.__traceback__
        while trace is not None:
            files[trace.tb_frame.f_code.co_filename] = None
            trace = trace.tb_next
        left += (part.__cause__, part.__context__)
        if isinstance(part, BaseExceptionGroup):
            left += part.exceptions
    return files


def show(file, source):
    global cached_bytes
    lines = [line + "\n" for line in source.splitlines()]
    # All empty lines are one object.
    size = lines.__sizeof__() + sum(line.__sizeof__() for line in lines if line != "\n")
    forget(file)
    if size > cached_max:
        return
    while cached and cached_bytes + size > cached_max:
        forget(next(iter(cached)))
    cached[file] = source, size
    cached_bytes += size
    linecache.cache[file] = (len(source), None, lines, file)


def forget(file):
    global cached_bytes
    if file in cached:
        cached_bytes -= cached.pop(file)[1]
        # Code may have replaced the cache.
        if isinstance(linecache.cache, dict):
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
    """Returns the trace without the frames of the engine's own files that it begins with."""
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith("<pythonx_port "):
        trace = trace.tb_next
    return trace


def describe(exception):
    try:
        show_sources(exception)
        exception.__traceback__ = without_engine(exception.__traceback__)
        text = "".join(traceback.format_exception(exception))
    except Exception as failure:
        text = f"<no traceback: {type_name(failure)}: {message(failure)}>\n"
    return message(exception), type_name(exception), text
