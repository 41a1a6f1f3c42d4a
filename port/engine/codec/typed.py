"""Finds the objects whose types a request names, and what is sent of those that have no form of their own."""

from _pythonx import embedded
from erlang import EncodeError

structs = embedded("structs")

# The Types of the last requests: most requests of a client name the same.
recent = {}
RECENT_MAX = 64


class Types(dict):
    """By the id of a type, the name that a request has for it, or None. Holds no type: an id is removed with its type."""

    def __init__(self, names):
        self.names = names
        self.watched = {}

    def find(self, type_):
        watch = structs.Watch(type_, self.forget)
        watch.id = id(type_)
        self.watched[watch.id] = watch
        found = self[watch.id] = next((name for name in map(name_of, type_.__mro__) if name in self.names), None)
        return found

    def forget(self, watch):
        self.pop(watch.id, None)
        self.watched.pop(watch.id, None)


def name_of(type_):
    """Returns the name of a type as it is in errors: qualified, outside of builtins."""
    return type_.__qualname__ if type_.__module__ == "builtins" else f"{type_.__module__}.{type_.__qualname__}"


def types_of(names):
    names = frozenset(names)
    types = recent.get(names)
    if types is None:
        if len(recent) >= RECENT_MAX:
            recent.clear()
        types = recent[names] = Types(names)
    return types


def fields(value):
    """Returns the attributes of an object that has no form of its own, and those of a named tuple; None for any other,
    which is sent in its own form."""
    type_ = type(value)
    form = structs.found.get(id(type_), structs)
    if form is structs:
        form = structs.simplifier(type_)
    if form is tuple and hasattr(type_, "_fields"):
        return dict(zip(type_._fields, value))
    return None if form is not None else attributes(value)


def attributes(value):
    from copyreg import _slotnames

    slots = _slotnames(type(value))
    if not hasattr(value, "__dict__") and not slots and not isinstance(value, BaseException):
        raise EncodeError(
            f"{name_of(type(value))} has no attributes that could be sent (erlang.register_encoder gives it a form)"
        )
    found = {"args": value.args} if isinstance(value, BaseException) else {}
    for name in slots:
        if hasattr(value, name):
            found[name] = getattr(value, name)
    return {**found, **getattr(value, "__dict__", {})}
