"""Drives a session of the port program from Python: frames of External Term Format, as far as the comparison needs
them."""
import os
import struct
import subprocess


class Atom(str):
    pass


def encode(term):
    return b"\x83" + put(term)


def put(term):
    if isinstance(term, Atom):
        name = term.encode()
        return struct.pack(">BB", 119, len(name)) + name
    if isinstance(term, str):
        text = term.encode()
        return struct.pack(">BI", 109, len(text)) + text
    if isinstance(term, int):
        return struct.pack(">Bi", 98, term)
    if isinstance(term, tuple):
        return struct.pack(">BB", 104, len(term)) + b"".join(map(put, term))
    if isinstance(term, dict):
        pairs = b"".join(put(key) + put(value) for key, value in term.items())
        return struct.pack(">BI", 116, len(term)) + pairs
    raise TypeError(f"no term for {term!r}")


class Decoder:
    """Decodes one term; binaries become bytes."""

    def __init__(self, data):
        self.data, self.at = data, 1

    def take(self, form):
        values = struct.unpack_from(">" + form, self.data, self.at)
        self.at += struct.calcsize(">" + form)
        return values[0]

    def bytes(self, length):
        self.at += length
        return self.data[self.at - length : self.at]

    def terms(self, count):
        return [self.term() for _ in range(count)]

    def term(self):
        tag = self.take("B")
        if tag == 97:
            return self.take("B")
        if tag == 98:
            return self.take("i")
        if tag == 110:
            length, sign = self.take("B"), self.take("B")
            return int.from_bytes(self.bytes(length), "little") * (-1 if sign else 1)
        if tag == 70:
            return self.take("d")
        if tag in (100, 118):
            return Atom(self.bytes(self.take("H")).decode())
        if tag in (115, 119):
            return Atom(self.bytes(self.take("B")).decode())
        if tag == 107:
            return list(self.bytes(self.take("H")))
        if tag == 109:
            return self.bytes(self.take("I"))
        if tag == 104:
            return tuple(self.terms(self.take("B")))
        if tag == 106:
            return []
        if tag == 108:
            items = self.terms(self.take("I"))
            self.term()
            return items
        if tag == 116:
            items = self.terms(2 * self.take("I"))
            return dict(zip(items[::2], items[1::2]))
        raise ValueError(f"a term with the tag {tag}")


class Session:
    """A session whose frames are read one by one. Its standard error goes to a file, so that it never blocks."""

    def __init__(self, arguments, folder, environment, errors):
        self.process = subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, cwd=folder, env=environment
        )

    def send(self, *request):
        frame = encode(request)
        try:
            # Nothing may be left in a buffer, which could not be flushed later.
            os.write(self.process.stdin.fileno(), struct.pack(">I", len(frame)) + frame)
        except BrokenPipeError:
            pass  # code has ended the process; its status says how

    def next(self):
        """Returns the next term, or None at the end."""
        head = self.process.stdout.read(4)
        return Decoder(self.process.stdout.read(struct.unpack(">I", head)[0])).term() if len(head) == 4 else None

    def close_input(self):
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass

    def close_output(self):
        self.process.stdout.close()

    def wait(self):
        return self.process.wait(30)
