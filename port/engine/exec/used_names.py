"""Finds the names that code uses and does not assign, so that a client's variables may stand for them."""

from _pythonx import embedded

compile_quietly, TOP_LEVEL_AWAIT = embedded("bound_code").compile_quietly, embedded("compile").TOP_LEVEL_AWAIT
TEXTS_MAX = 512
LENGTH_MAX = 65_536  # of a text that is kept

uses = frozenset(("LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS"))
assignments_of_module = frozenset(("STORE_NAME", "DELETE_NAME"))
assignments = frozenset(("STORE_GLOBAL", "DELETE_GLOBAL"))

known = {}  # texts, to their names


def used_names(text):
    """Returns a frozenset of str; an empty one if the code does not compile, which compiling it again reports."""
    names = known.get(text)
    if names is None:
        names = find_names(text)
        if len(text) <= LENGTH_MAX:
            if len(known) >= TEXTS_MAX:
                known.clear()
            known[text] = names
    return names


def find_names(text):
    try:
        code = compile_quietly(text, "<used names>", TOP_LEVEL_AWAIT)
    except (SyntaxError, ValueError):
        return frozenset()
    used, assigned = set(), set()
    collect(code, used, assigned, assignments | assignments_of_module)
    return frozenset(used - assigned)


def collect(code, used, assigned, assigning):
    """What functions and classes assign is their own, unless they declare it global."""
    from dis import get_instructions

    for instruction in get_instructions(code):
        if instruction.opname in uses:
            used.add(instruction.argval)
        elif instruction.opname in assigning:
            assigned.add(instruction.argval)
    for constant in code.co_consts:
        if isinstance(constant, type(code)):
            collect(constant, used, assigned, assignments)
