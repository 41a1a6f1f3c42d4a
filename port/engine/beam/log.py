"""Sends records of Python's logging as events (PEP 282)."""

import functools
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


# What every record has, and what a formatter adds: the rest is what the caller gave as `extra`.
USUAL = frozenset(
    "args asctime created exc_info exc_text filename funcName levelname levelno lineno message module msecs msg name "
    "pathname process processName relativeCreated stack_info taskName thread threadName".split()
)


DESTINATIONS = {"filename", "stream", "handlers"}


def extra_of(record):
    return {text(name): value for name, value in vars(record).items() if name not in USUAL}


def install(logging):
    """Adds the session's handler to the root logger. logging.basicConfig still works as in a script, which has none."""
    handler = make_handler(logging)
    logging.root.addHandler(handler)
    basic_config = logging.basicConfig
    configured = False

    @functools.wraps(basic_config)
    def configure(**options):
        nonlocal configured
        handlers = logging.root.handlers
        if handler not in handlers or (not options.get("force") and (configured or len(handlers) > 1)):
            return basic_config(**options)
        replace_handler(logging.root, handler, basic_config, options)
        configured = True

    logging.basicConfig = configure


def replace_handler(root, handler, basic_config, options):
    """Configures the root logger without the session's handler. That comes back, in place of a handler for standard
    error, if the options do not say where the records go."""
    before = handler.formatter
    handler.setFormatter(None)
    root.removeHandler(handler)
    options = {name: value for name, value in options.items() if name not in DESTINATIONS or value is not None}
    if not options.keys() & DESTINATIONS:
        options.pop("filemode", None)
        options["handlers"] = [handler]
    try:
        basic_config(**options)
    except BaseException:
        handler.setFormatter(before)
        root.addHandler(handler)  # does nothing if it is there
        raise
    if "format" not in options:
        # Level and logger, which the usual format puts before the message, are fields of the event.
        handler.setFormatter(None)


def make_handler(logging):
    class EventHandler(logging.Handler):
        """Sends records to the BEAM; a handler that code adds beside it works as usual."""

        def emit(self, record):
            try:
                log(level_name(record.levelno), self.describe(record))
            except Exception:
                self.handleError(record)

        def describe(self, record):
            message, traceback = self.say(record)
            told = {
                "message": text(message),
                "logger": text(record.name),
                "file": text(record.pathname),
                "line": record.lineno,
                "function": text(record.funcName),
                "time": int(record.created * 1_000_000),
                "thread": text(record.threadName),
            }
            if traceback:
                told["traceback"] = text(traceback)
            extra = extra_of(record)
            if extra:
                told["extra"] = extra
            return told

        def say(self, record):
            """Returns the message and the traceback; a formatter of the application's own puts both into one text."""
            formatter = self.formatter
            if formatter is None:
                return record.getMessage(), self.trace(record)
            if type(formatter).format is not logging.Formatter.format:
                return formatter.format(record), ""
            record.message = record.getMessage()
            if formatter.usesTime():
                record.asctime = formatter.formatTime(record, formatter.datefmt)
            return formatter.formatMessage(record), self.trace(record)

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
