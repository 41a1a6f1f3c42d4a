"""Sends records of Python's logging as events (PEP 282)."""

import time

from _pythonx import log

# The names of Erlang's logger, from the lowest level that has each.
LEVELS = ((50, "critical"), (40, "error"), (30, "warning"), (25, "notice"), (20, "info"))


def level_name(number):
    return next((name for least, name in LEVELS if number >= least), "debug")


def text(value):
    # Lone surrogates must not prevent a record from being sent.
    return str(value).encode("utf-8", "backslashreplace")


def log_warning(message, file, line):
    """Makes a record of a warning, for the case that logging is not loaded."""
    fields = {"message": text(message), "logger": b"py.warnings", "file": text(file), "line": line}
    log("warning", {**fields, "time": int(time.time() * 1_000_000)})


def make_handler(logging):
    class EventHandler(logging.Handler):
        """Sends records to the BEAM; a handler that code adds beside it works as usual."""

        def emit(self, record):
            try:
                log(level_name(record.levelno), self.describe(record))
            except Exception:
                self.handleError(record)

        def describe(self, record):
            told = {
                "message": text(record.getMessage()),
                "logger": text(record.name),
                "file": text(record.pathname),
                "line": record.lineno,
                "function": text(record.funcName),
                "time": int(record.created * 1_000_000),
                "thread": text(record.threadName),
            }
            traceback = self.trace(record)
            if traceback:
                told["traceback"] = text(traceback)
            return told

        def trace(self, record):
            parts = []
            if record.exc_info:
                parts.append(logging.Formatter().formatException(record.exc_info))
            elif record.exc_text:
                parts.append(record.exc_text)
            if record.stack_info:
                parts.append(record.stack_info)
            return "\n".join(parts)

    return EventHandler()
