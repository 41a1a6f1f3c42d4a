"""Compiling a block whose last expression is its value."""

import _ast

ONLY_AST = 0x400  # ast.PyCF_ONLY_AST; importing ast costs more than a start should


def compile_block(text, file, keep_value):
    """(body, expression): code objects or None."""
    if not keep_value:
        return compile(text, file, "exec", dont_inherit=True), None
    tree = compile(text, file, "exec", ONLY_AST, dont_inherit=True)
    if not tree.body or not isinstance(tree.body[-1], _ast.Expr):
        return compile(tree, file, "exec", dont_inherit=True), None
    expression = compile(_ast.Expression(tree.body.pop().value), file, "eval", dont_inherit=True)
    body = compile(tree, file, "exec", dont_inherit=True) if tree.body else None
    return body, expression
