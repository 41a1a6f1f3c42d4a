"""Shows the texts of evaluated code to linecache, and so to inspect, traceback and pdb, once they are asked for."""

import os.path

from _pythonx import evaluated_sources

# The bytes of the lines that linecache has at the same time; port/README.md lists the bound.
LINES_MAX = 16 << 20


def make_lines():
    """Returns the type of linecache.cache. Its parts are closures: they outlive this module as Python ends."""
    # The sources whose lines are in the cache, the oldest first, with the bytes of those lines.
    cached = {}
    cached_bytes = 0
    lines_max, exists = LINES_MAX, os.path.exists

    class Lines(dict):
        """Has the lines of evaluated code as well, unless they are in a file that exists."""

        def __contains__(self, file):
            self.find(file)
            return dict.__contains__(self, file)

        def __getitem__(self, file):
            self.find(file)
            return dict.__getitem__(self, file)

        def get(self, file, default=None):
            self.find(file)
            return dict.get(self, file, default)

        def find(self, file):
            source = sources.get(file)
            if source is None:
                return
            if dict.__contains__(self, file):
                if file not in cached or cached[file][0] is source:
                    return
            elif exists(file):
                return
            self.show(file, source)

        def show(self, file, source):
            nonlocal cached_bytes
            lines = [line + "\n" for line in source.splitlines()]
            # All empty lines are one object.
            size = lines.__sizeof__() + sum(line.__sizeof__() for line in lines if line != "\n")
            self.forget(file)
            if size > lines_max:
                return
            while cached and cached_bytes + size > lines_max:
                self.forget(next(iter(cached)))
            cached[file] = source, size
            cached_bytes += size
            self[file] = (len(source), None, lines, file)

        def forget(self, file):
            nonlocal cached_bytes
            if file in cached:
                cached_bytes -= cached.pop(file)[1]
                self.pop(file, None)

    def forget(file):
        if shown is not None:
            shown.forget(file)

    shown = None

    def install(linecache):
        nonlocal shown, cached_bytes
        # Code may have replaced the cache.
        if linecache.cache is not shown and isinstance(linecache.cache, dict):
            cached.clear()
            cached_bytes = 0
            shown = linecache.cache = Lines(linecache.cache)

    sources = evaluated_sources(forget)
    return install


install = make_lines()
