"""Sets up what a session needs before its first request: output as events, and a traceback for a fatal signal."""

import faulthandler
import io
import sys

from _pythonx import crash_descriptor, embedded, flush_output, output, unraisable


class RawOutput(io.RawIOBase):
    """Bytes written here become output events of the running request. It has what an io.FileIO has."""

    mode = "wb"
    closefd = False

    def __init__(self, fd, name):
        self._fd = fd
        self.name = name

    def writable(self):
        self._check_open()
        return True

    def fileno(self):
        # subprocess and faulthandler need a descriptor: both get the port's stderr.
        self._check_open()
        return self._fd

    def isatty(self):
        self._check_open()
        return False

    # Functions of C are defaults: Python writes and flushes once more after this module is gone.
    def write(self, data, output=output):
        self._check_open()
        return output(self._fd, data)

    def flush(self, flush_output=flush_output):
        super().flush()
        flush_output()

    def _check_open(self):
        if self.closed:
            raise ValueError("I/O operation on closed file.")


class Output(io.BufferedWriter):
    """Holds nothing back: C code assembles the lines."""

    def write(self, data, output=output):
        if self.closed:
            raise ValueError("write to closed file")
        return output(self.raw._fd, data)

    def flush(self):
        super().flush()
        self.raw.flush()


def text_output(fd, name):
    buffer = Output(RawOutput(fd, name), 1)
    # A lone surrogate must not raise in code that only prints.
    stream = io.TextIOWrapper(buffer, encoding="utf-8", errors="backslashreplace", newline="\n", write_through=True)
    stream.mode = "w"
    return stream


sys.stdout = sys.__stdout__ = text_output(1, "<stdout>")
sys.stderr = sys.__stderr__ = text_output(2, "<stderr>")
sys.argv = [""]
sys.unraisablehook = unraisable
embedded("import_hooks").install()
faulthandler.enable(file=crash_descriptor())
