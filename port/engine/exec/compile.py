"""Compiles a block whose last expression is its value."""

import _ast
from marshal import dumps

ONLY_AST = 0x400  # ast.PyCF_ONLY_AST; importing ast would slow down the start
TOP_LEVEL_AWAIT = 0x2000  # ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
COROUTINE = 0x80  # inspect.CO_COROUTINE
AWAITS = COROUTINE | 0x200  # inspect.CO_ASYNC_GENERATOR


def refuse_null(text):
    if "\0" in text:
        raise SyntaxError("source code string cannot contain null bytes")  # a ValueError before Python 3.11.4


def parse(text, file):
    return compile(text, file, "exec", ONLY_AST | TOP_LEVEL_AWAIT, dont_inherit=True)


def compile_part(part, file, mode):
    return compile(part, file, mode, TOP_LEVEL_AWAIT, dont_inherit=True)


def compile_block(text, file, keep_value):
    """Returns (body, expression, awaits, file): code objects or None, and whether any of them must be awaited."""
    refuse_null(text)
    if not keep_value:
        body, expression = compile_part(text, file, "exec"), None
    else:
        tree = parse(text, file)
        if not tree.body or not isinstance(tree.body[-1], _ast.Expr):
            body, expression = compile_part(tree, file, "exec"), None
        else:
            expression = compile_part(_ast.Expression(tree.body.pop().value), file, "eval")
            body = compile_part(tree, file, "exec") if tree.body else None
    awaits = any(part is not None and part.co_flags & AWAITS for part in (body, expression))
    return body, expression, awaits, file


def size_of_block(block):
    """Estimates how many bytes of memory the code objects of a block take: three times their size in a file."""
    body, expression = block[:2]
    return 3 * ((body is not None and len(dumps(body))) + (expression is not None and len(dumps(expression))))


async def evaluate(body, expression, globals):
    """Evaluates a block that awaits."""
    value = eval(body, globals) if body is not None else None
    if body is not None and body.co_flags & COROUTINE:
        await value
    if expression is None:
        return None
    value = eval(expression, globals)
    return await value if expression.co_flags & COROUTINE else value
