"""Compiles code that has bindings: names of its own, as the parameters of a function are.

The code becomes the body of a function whose free variables are the bindings, so that functions and classes in it see
them, too. All that the code itself assigns is global there, and stays in the session's namespace."""

import _ast
import sys
from keyword import kwlist

import _pythonx

unbound = _pythonx.embedded("compile")
refuse_null, parse, compile_part, COROUTINE = unbound.refuse_null, unbound.parse, unbound.compile_part, unbound.COROUTINE

FUNCTION_FLAGS = 0x1 | 0x2 | 0x10  # inspect.CO_OPTIMIZED, CO_NEWLOCALS, CO_NESTED
OUTER = "<bindings>"
INNER = "<module>"
PREFIX = f"{OUTER}.<locals>.{INNER}.<locals>."  # of the __qualname__ of what is defined in the function
DEFERRED = sys.version_info >= (3, 14)  # annotations are evaluated when they are asked for
SYNTAX_WARNINGS_IGNORED = ("ignore", None, SyntaxWarning, None, 0)

scopes = (_ast.FunctionDef, _ast.AsyncFunctionDef, _ast.ClassDef)
# Not to be bound: the compiler refuses to assign them.
reserved_names = frozenset(kwlist) | {"__debug__"}

# Bound code gets at these without the names that the session may have changed.
_pythonx.exec, _pythonx.globals = exec, globals


def normalized(bindings):
    """Returns the bindings by plain strings, as the compiler reads names in code; or a name that exists twice then."""
    found = {}
    for name, value in bindings.items():
        plain = str.__str__(name)
        if not plain.isascii():
            from unicodedata import normalize

            plain = normalize("NFKC", plain)
        if plain in found:
            return plain
        found[plain] = value
    return found


# -- the code ------------------------------------------------------------------------------------------------------


def compile_bound(text, file, keep_value, names):
    """Returns (body, None, awaits, file, names, hidden, text). The body has the names as its free variables, in this
    order; the hidden ones are for Names in bound_names.py."""
    refuse_null(text)
    tree = parse(text, file)
    plain = compile_plain(tree, text, file, names)
    awaits = bool(plain.co_flags & COROUTINE)
    block = Block(tree, text, file, names)
    outer = block.build(keep_value, awaits, assigned_names(plain))
    code = compile_quietly(outer, file)
    code = find_code(find_code(code, OUTER), INNER)
    code = as_module_code(code, block.constants)
    return code, None, awaits, file, code.co_freevars, hidden_names(code), text


def compile_quietly(source, file, flags=0):
    """Compiles without the warnings that compiling the plain code leads to."""
    module = sys.modules.get("warnings") or __import__("_warnings")
    filters = module.filters
    filters.insert(0, SYNTAX_WARNINGS_IGNORED)
    try:
        return compile(source, file, "exec", flags, dont_inherit=True)
    finally:
        filters.remove(SYNTAX_WARNINGS_IGNORED)


def compile_plain(tree, text, file, names):
    """Compiles the code as it is, so that what may only stand in a function remains a SyntaxError."""
    try:
        return compile_part(tree, file, "exec")
    except SyntaxError:
        if "nonlocal" not in text:
            raise
    # Nested functions may declare bindings nonlocal.
    tree = parse(text, file)
    for statement in tree.body:
        if not isinstance(statement, _ast.Nonlocal):
            remove_nonlocal(statement, names, isinstance(statement, scopes))
    return compile_part(tree, file, "exec")


def remove_nonlocal(node, names, nested):
    for field in node._fields:
        value = getattr(node, field, None)
        for at, part in enumerate(value if isinstance(value, list) else ()):
            if isinstance(part, _ast.Nonlocal) and nested:
                left = [name for name in part.names if name not in names]
                value[at] = _ast.Nonlocal(left, **place(part)) if left else _ast.Pass(**place(part))
            elif isinstance(part, _ast.AST):
                remove_nonlocal(part, names, nested or isinstance(part, scopes))


def assigned_names(code):
    """Returns the names that the code assigns, and others that it uses, which mean the same when they are global."""
    names = set(code.co_names)
    for constant in code.co_consts:
        # In CPython 3.11 comprehensions are functions, which may assign outer names (:=).
        if isinstance(constant, type(code)) and constant.co_name.startswith("<"):
            names |= assigned_names(constant)
    return names


def find_code(code, name):
    return next(part for part in code.co_consts if isinstance(part, type(code)) and part.co_name == name)


def as_module_code(code, constants):
    """Returns the function's code without what shows that it is one. Its locals are those that it is run with."""
    code = without_prefix(code)
    own = tuple(constants.get(part, part) if isinstance(part, frozenset) else part for part in code.co_consts)
    return code.replace(co_flags=code.co_flags & ~FUNCTION_FLAGS, co_qualname=INNER, co_consts=own)


def without_prefix(code):
    """Functions and classes have the __qualname__ that they have at the top level of a module."""

    def plain(part):
        if isinstance(part, str):
            return part.removeprefix(PREFIX)
        return without_prefix(part) if isinstance(part, type(code)) else part

    if code.co_name != INNER and not code.co_qualname.startswith(PREFIX):
        return code
    return code.replace(
        co_qualname=code.co_qualname.removeprefix(PREFIX), co_consts=tuple(map(plain, code.co_consts))
    )


def hidden_names(code):
    """Returns the names of the function's own variables. Up to CPython 3.12 locals() takes them out of the dict that it
    returns, if they have no value."""
    return frozenset(code.co_varnames) if sys.version_info < (3, 13) else frozenset()


# -- the function --------------------------------------------------------------------------------------------------


def place(node):
    return {
        "lineno": node.lineno,
        "col_offset": node.col_offset,
        "end_lineno": node.end_lineno,
        "end_col_offset": node.end_col_offset,
    }


def name_node(name, at, context=_ast.Load):
    return _ast.Name(name, context(), **place(at))


def constant_node(value, at):
    return _ast.Constant(value, **place(at))


def call_node(function, arguments, at):
    return _ast.Expr(_ast.Call(function, arguments, [], **place(at)), **place(at))


def template(text):
    """Returns the statements of a text, all at the place where a module's code begins."""
    statements = parse(text, OUTER).body
    for statement in statements:
        move_to_begin(statement)
    return statements


def move_to_begin(node):
    if hasattr(node, "lineno"):
        node.lineno = node.end_lineno = 1
        node.col_offset = node.end_col_offset = 0
    for field in node._fields:
        value = getattr(node, field, None)
        for part in value if isinstance(value, list) else (value,):
            if isinstance(part, _ast.AST):
                move_to_begin(part)


class Block:
    """The statements of the code, with those changed that a function must not have or would run otherwise."""

    def __init__(self, tree, text, file, names):
        self.body, self.text, self.file, self.names = tree.body, text, file, names
        self.constants = {}  # what stands for an object in the tree, to the object
        self.annotations = []  # names and annotations, if they are deferred
        self.annotates = False
        self.futures = self.find_futures()
        self.future_annotations = any(name.name == "annotations" for node in self.futures for name in node.names)

    def find_futures(self):
        rest = self.body[1:] if self.body and is_text(self.body[0]) else self.body
        futures = []
        for node in rest:
            if not isinstance(node, _ast.ImportFrom) or node.module != "__future__" or node.level:
                break
            futures.append(node)
        return futures

    def build(self, keep_value, awaits, assigned):
        """Returns the tree of a module with a function in it that makes the one for the code."""
        body = self.change(self.value_returned() if keep_value else self.body)
        if body and is_text(body[0]) and sys.flags.optimize < 2:
            body[0] = _ast.Assign([name_node("__doc__", body[0], _ast.Store)], body[0].value, **place(body[0]))
        assigned |= {"__doc__", "__annotations__", "__annotate__", "__conditional_annotations__"}
        assigned = sorted(name for name in assigned - set(self.names) - reserved_names if name.isidentifier())
        (outer,) = template(
            f"def outer({', '.join(self.names)}):\n"
            f" {'async ' if awaits else ''}def inner():\n"
            f"  nonlocal {', '.join(self.names)}\n"
            f"  global {', '.join(assigned)}\n"
        )
        (inner,) = outer.body
        outer.name, inner.name = OUTER, INNER
        inner.body += self.preamble() + body
        return _ast.Module([*self.futures, outer], [])

    def value_returned(self):
        if not self.body or not isinstance(self.body[-1], _ast.Expr):
            return self.body
        *rest, last = self.body
        return [*rest, _ast.Return(last.value, **place(last))]

    def preamble(self):
        if not self.constants and not self.annotates:
            return []
        statements = template("from _pythonx import exec, globals")
        for name in statements[0].names:
            name.asname = f".{name.name}"
        if self.annotations:
            statements += self.annotate_function()
        elif self.annotates:
            (check,) = template("if '__annotations__' not in globals(): __annotations__ = {}")
            check.test.comparators[0].func.id = ".globals"
            statements.append(check)
        return statements

    @property
    def deferred(self):
        return DEFERRED and not self.future_annotations

    def change(self, statements):
        return [changed for statement in statements for changed in self.change_statement(statement)]

    def change_statement(self, node):
        if isinstance(node, _ast.AnnAssign):
            return self.annotated(node)
        if isinstance(node, _ast.ImportFrom) and node.names[0].name == "*":
            return [self.import_all(node)]
        if isinstance(node, _ast.Global):
            self.check_global(node)
        elif not isinstance(node, scopes):
            for field in ("body", "orelse", "finalbody"):
                if getattr(node, field, None):
                    setattr(node, field, self.change(getattr(node, field)))
            for part in getattr(node, "handlers", None) or getattr(node, "cases", ()):
                part.body = self.change(part.body)
        return [node]

    def check_global(self, node):
        for name in node.names:
            if name in self.names:
                line = self.text.splitlines()[node.lineno - 1]
                columns = [len(line.encode()[:at].decode()) + 1 for at in (node.col_offset, node.end_col_offset)]
                where = (self.file, node.lineno, columns[0], line, node.end_lineno, columns[1])
                raise SyntaxError(f"name '{name}' is a binding and global", where)

    def import_all(self, node):
        """`from module import *` may only stand in a module: it is code of its own."""
        code = compile(_ast.Module([node], []), self.file, "exec", dont_inherit=True)
        return self.run_code(code, node)

    def run_code(self, code, at):
        stand_in = frozenset({("code", len(self.constants))})
        self.constants[stand_in] = code
        variables = call_node(name_node(".globals", at), [], at).value
        return call_node(name_node(".exec", at), [constant_node(stand_in, at), variables], at)

    # -- annotations: those of variables are only kept in modules and classes

    def annotated(self, node):
        if not node.simple:
            evaluated = () if DEFERRED or self.future_annotations else (node.annotation,)
            return [node, *(_ast.Expr(part, **place(part)) for part in evaluated)]
        assigned = [] if node.value is None else [_ast.Assign([node.target], node.value, **place(node))]
        if node.target.id in self.names:
            return assigned or [_ast.Pass(**place(node))]
        self.annotates = True
        return [*assigned, self.note_deferred(node) if self.deferred else self.note(node)]

    def note(self, node):
        at, annotation = node.annotation, node.annotation
        if self.future_annotations:
            annotation = constant_node(self.text_of(annotation), at)
        target = name_node("__annotations__", at)
        target = _ast.Subscript(target, constant_node(node.target.id, at), _ast.Store(), **place(at))
        return _ast.Assign([target], annotation, **place(node))

    def text_of(self, annotation):
        """Returns the text that the compiler makes of the annotation."""
        noted = _ast.AnnAssign(name_node("x", annotation, _ast.Store), annotation, None, 1, **place(annotation))
        variables = {}
        exec(compile(_ast.Module([*self.futures, noted], []), self.file, "exec", dont_inherit=True), variables)
        return variables["__annotations__"]["x"]

    def note_deferred(self, node):
        self.annotations.append((node.target.id, node.annotation))
        (noted,) = template(f"__conditional_annotations__.add({len(self.annotations) - 1})")
        return noted

    def annotate_function(self):
        """Returns what the compiler makes of a module's annotations: a function that evaluates those that were
        passed."""
        conditional, function = template(
            "__conditional_annotations__ = set()\n"
            "def __annotate__(format, /):\n"
            " if format > 2: raise NotImplementedError\n"
            " annotations = {}\n"
            " return annotations\n"
        )
        argument = function.args.posonlyargs[0]
        refuse, begin, end = function.body
        argument.arg = refuse.test.left.id = ".format"
        begin.targets[0].id = end.value.id = ".annotations"
        function.body = [refuse, begin]
        for number, (name, annotation) in enumerate(self.annotations):
            (one,) = template(f"if {number} in __conditional_annotations__: annotations[{name!r}] = None")
            one.body[0].targets[0].value.id = ".annotations"
            one.body[0].value = annotation
            function.body.append(one)
        function.body.append(end)
        return [conditional, function]


def is_text(node):
    return isinstance(node, _ast.Expr) and isinstance(node.value, _ast.Constant) and isinstance(node.value.value, str)
