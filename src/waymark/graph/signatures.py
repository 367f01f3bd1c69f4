"""Operations in a tree: the paths that lead to them, and what a call may give them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from . import advice
from .operations import Operation, operation_at


def misfits(
    node: ast.Call, path: str, operation: Operation
) -> Iterator[tuple[ast.expr | ast.keyword, advice.Advice]]:
    """What is wrong with the arguments of a call of an operation that bounds them, each
    with where it stands."""
    spread = [argument for argument in node.args if isinstance(argument, ast.Starred)]
    if len(node.args) - len(spread) < operation.arguments_min:
        yield node, advice.too_few_arguments(path, operation.arguments_min)
    limit = operation.arguments_max
    if limit is not None and (spread or len(node.args) > limit):
        yield node, advice.too_many_arguments(path, limit)
    for keyword in node.keywords:
        allowed = operation.keywords is None or keyword.arg in operation.keywords
        if keyword.arg is None or not allowed or keyword.arg in operation.refused_keywords:
            yield keyword, advice.keyword_not_allowed(path, keyword.arg)


def is_type_call(node: ast.expr) -> bool:
    """Whether `node` is `type(x)`, which yields a class."""
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "type"
        and len(node.args) == 1
    )


def path_below(head: str, node: ast.expr) -> str | None:
    """`head` with the attributes of `node`, None once a constant's value is reached:
    from there on the path goes through a value."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    while parts:
        head = f"{head}.{parts.pop()}"
        operation = operation_at(head)
        if operation is not None and operation.kind == "constant" and parts:
            return None
    return head
