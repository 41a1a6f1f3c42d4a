"""Turns Elixir's %Regex{} into re.Pattern, and that into a map of a source and options that Regex.compile/2 takes: what
a Regex compiled to is different in each OTP, so that the engine cannot make one.

Both sides have most of a language in common. What differs is written in the other side's way, or refused."""

import re

from erlang import EncodeError

# Elixir's options: letters, or from 1.15 on what Erlang's `re` takes.
OPTIONS = {"caseless": "i", "unicode": "u", "ucp": "u", "dotall": "s", "multiline": "m", "extended": "x"}
FLAGS = {"i": re.I, "s": re.S, "m": re.M, "x": re.X, "u": re.U}

# Cuts a source into escapes, the starts of groups, and single characters.
TOKEN = re.compile(
    r"\\u[0-9A-Fa-f]{4}|\\U[0-9A-Fa-f]{8}|\\[xNgk]\{[^}]*\}|\\[gk]<[^>]*>|\\.|\(\?<(?![=!])|\(\?'|\(\?[A-Za-z-]+(?=[:)])|\{,\d+\}|.", re.S
)


def build(fields):
    # All binaries of this struct are bytes, since what it compiled to is no text.
    letters = letters_of(fields["opts"])
    source = fields["source"].decode()
    if "u" not in letters and not source.isascii():
        raise ValueError("a source that is not ASCII needs the option u")
    flags = re.NOFLAG
    for letter in letters:
        flags |= FLAGS[letter]
    if "u" not in letters:
        flags |= re.A
    return re.compile(rewrite(source, "x" in letters, from_elixir, ValueError), flags)


def letters_of(opts):
    if isinstance(opts, bytes):
        letters = set(opts.decode())
    else:
        # The option `s` also says which line ends there are, which a dot that matches all does not ask for.
        letters = {OPTIONS.get(option, str(option)) for option in opts if option != ("newline", "anycrlf")}
    for letter in letters - set(FLAGS):
        raise ValueError(f"Python's re has no option {letter}")
    return letters


def simplify(pattern):
    """Returns what Regex.compile(source, opts) takes."""
    source, flags = pattern.pattern, pattern.flags
    if isinstance(source, bytes):
        # Elixir matches bytes, unless it has the option `u`.
        try:
            source = source.decode("ascii")
        except UnicodeDecodeError:
            raise EncodeError("a pattern of bytes that are not ASCII has no form in Elixir") from None
    if flags & (re.L | re.DEBUG):
        raise EncodeError("a pattern with the flag LOCALE or DEBUG has no form in Elixir")
    opts = "".join(letter for letter, flag in FLAGS.items() if flags & flag)
    source = rewrite(source, bool(flags & re.X), from_python, EncodeError)
    if "u" not in opts and (not source.isascii() or r"\x{" in source):
        raise EncodeError("a pattern with the flag ASCII and other characters than those has no form in Elixir")
    return {"source": source, "opts": opts}


# -- the source -------------------------------------------------------------------------------------------------------


def rewrite(source, extended, translate, error):
    """Returns the source with each token as `translate(token, in_set)` has it, which is None if it has no counterpart."""
    parts, in_set, in_comment = [], False, False
    set_start = 0
    for match in TOKEN.finditer(source):
        token, at = match.group(), match.start()
        if in_comment:
            in_comment = token != "\n"
            parts.append(token)
            continue
        if in_set and token.startswith(("(", "{")):
            # Groups and counts mean nothing in a set, and no letter of theirs needs another form.
            parts.append(token.replace("[", "\\["))
            continue
        if in_set and token == "[" and source[at : at + 2] in ("[:", "[.", "[=") and translate is from_elixir:
            raise error(f"the class at {source[at : at + 10]!r} has no counterpart in Python's re")
        new = translate(token, in_set)
        if new is None:
            raise error(f"{token!r} in a regular expression has no counterpart on the other side")
        parts.append(new)
        if not in_set and token == "[":
            in_set, set_start = True, at + (2 if source[at + 1 : at + 2] == "^" else 1)
        elif in_set and token == "]" and at > set_start:
            in_set = False
        elif extended and not in_set and token == "#":
            in_comment = True
    return "".join(parts)


PCRE_VERTICAL = r"\n\x0b\f\r\x85\u2028\u2029"
PCRE_HORIZONTAL = r"\t \xa0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000"


def from_elixir(token, in_set):
    if token == "(?<":
        return "(?P<"
    if token.startswith(r"\x{"):
        return escape_of(int(token[3:-1], 16))
    name = re.fullmatch(r"\\k(?:\{(\w+)\}|<(\w+)>)|\\g\{([A-Za-z_]\w*)\}", token)
    if name and not in_set:
        return f"(?P={name[1] or name[2] or name[3]})"
    if token in (r"\v", r"\h"):
        characters = PCRE_VERTICAL if token == r"\v" else PCRE_HORIZONTAL
        return characters if in_set else f"[{characters}]"
    if token == r"\e":
        return r"\x1b"
    if token in (r"\Z", r"\z") and not in_set:
        return r"(?=\n?\Z)" if token == r"\Z" else r"\Z"
    # Python takes these as well, for something else.
    if token.startswith((r"\N", r"\u", r"\U", "{,", "(?'")) or (token.startswith("(?") and set(token) & set("aLuUJ")):
        return None
    return r"\[" if in_set and token == "[" else token


def escape_of(number):
    if number > 0x10FFFF:
        raise ValueError(f"there is no character {number:#x}")
    return f"\\U{number:08x}"


def from_python(token, in_set):
    if token.startswith("{,"):
        return "{0" + token[1:]
    if token.startswith(r"\N") or (token.startswith("(?") and set(token) & set("aLu")):
        return None
    if len(token) > 2 and token.startswith((r"\u", r"\U")):
        return f"\\x{{{token[2:]}}}"
    if token == r"\v":
        return r"\x0b"
    if token == r"\Z" and not in_set:
        return r"\z"
    return r"\[" if in_set and token == "[" else token
