"""Sets up what a session needs before its first request: output as events, and a traceback for a fatal signal."""

import faulthandler
import io
import sys

from _pythonx import crash_descriptor, embedded, flush_output, output, unraisable


class Output(io.RawIOBase):
    """Bytes written here become output events of the running request."""

    def __init__(self, fd):
        self._fd = fd

    def writable(self):
        return True

    def fileno(self):
        # subprocess and faulthandler need a descriptor: both get the port's stderr.
        return self._fd

    def isatty(self):
        return False

    def write(self, data):
        return output(self._fd, data)

    def flush(self, flush_output=flush_output):
        # A default, since Python flushes once more after this module is gone.
        super().flush()
        flush_output()


def text_output(fd, name):
    raw = Output(fd)
    raw.name = name
    # C code assembles the lines. A lone surrogate must not raise in code that only prints.
    return io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", newline="\n", write_through=True)


sys.stdout = sys.__stdout__ = text_output(1, "<stdout>")
sys.stderr = sys.__stderr__ = text_output(2, "<stderr>")
sys.argv = [""]
sys.unraisablehook = unraisable
embedded("import_hooks").install()
faulthandler.enable(file=crash_descriptor())
