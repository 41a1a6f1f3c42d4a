"""Compiles a block whose last expression is its value."""

import _ast

ONLY_AST = 0x400  # ast.PyCF_ONLY_AST; importing ast costs more than a start should
TOP_LEVEL_AWAIT = 0x2000  # ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
COROUTINE = 0x80  # inspect.CO_COROUTINE
AWAITS = COROUTINE | 0x200  # inspect.CO_ASYNC_GENERATOR
CodeType = type((lambda: None).__code__)


def compile_part(part, file, mode):
    return compile(part, file, mode, TOP_LEVEL_AWAIT, dont_inherit=True)


def compile_block(text, file, keep_value):
    """(body, expression, awaits, file): code objects or None, and whether any of them is to be awaited."""
    if not keep_value:
        body, expression = compile_part(text, file, "exec"), None
    else:
        tree = compile(text, file, "exec", ONLY_AST | TOP_LEVEL_AWAIT, dont_inherit=True)
        if not tree.body or not isinstance(tree.body[-1], _ast.Expr):
            body, expression = compile_part(tree, file, "exec"), None
        else:
            expression = compile_part(_ast.Expression(tree.body.pop().value), file, "eval")
            body = compile_part(tree, file, "exec") if tree.body else None
    awaits = any(part is not None and part.co_flags & AWAITS for part in (body, expression))
    return body, expression, awaits, file


def size_of_block(block):
    """About how many bytes of memory the code objects of a block take."""
    return sum(size_of_code(part) for part in block[:2] if part is not None)


def size_of_code(code):
    # Names are shared with others, mostly; each takes a place in a tuple, and a short text.
    names = 64 * (len(code.co_names) + len(code.co_varnames))
    parts = (code, code.co_linetable, code.co_exceptiontable)
    return sum(part.__sizeof__() for part in parts) + names + size_of_constant(code.co_consts)


def size_of_constant(constant):
    if isinstance(constant, CodeType):
        return size_of_code(constant)
    size = constant.__sizeof__()
    if isinstance(constant, (tuple, frozenset)):
        size += sum(map(size_of_constant, constant))
    return size


async def evaluate(body, expression, globals):
    """The value of a block that awaits."""
    value = eval(body, globals) if body is not None else None
    if body is not None and body.co_flags & COROUTINE:
        await value
    if expression is None:
        return None
    value = eval(expression, globals)
    return await value if expression.co_flags & COROUTINE else value
