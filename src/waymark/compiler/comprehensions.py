"""A comprehension that awaits, written out as loops over hidden variables."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import TypeAlias

from waymark.graph.scopes import comprehension_names, walk_scope

Awaiting: TypeAlias = ast.ListComp | ast.SetComp | ast.DictComp


def unrolled(node: Awaiting, fresh: Callable[[], str]) -> tuple[str, list[ast.stmt]]:
    """The variable that receives the collection, and statements that fill it.

    The comprehension's own variables become hidden ones, since they do not leak.
    The first iterable must be pure by now: it is evaluated before the
    collection is made, as in Python.
    """
    renamed = {name: fresh() for name in sorted(comprehension_names(node))}
    for position, part in enumerate(node.generators):
        if position:
            _rename(part.iter, renamed)
        _rename(part.target, renamed)
        for test in part.ifs:
            _rename(test, renamed)
    items, result = fresh(), fresh()
    first = node.generators[0]
    statements: list[ast.stmt] = [_assign(items, first.iter), _assign(result, _empty(node))]
    first.iter = _load(items, first.iter)
    body: list[ast.stmt] = _collecting(node, renamed, result, fresh)
    for part in reversed(node.generators):
        for test in reversed(part.ifs):
            body = [ast.copy_location(ast.If(test, body, []), test)]
        loop = ast.AsyncFor if part.is_async else ast.For
        body = [ast.copy_location(loop(part.target, part.iter, body, []), part.iter)]
    return result, [*statements, *body]


def _empty(node: Awaiting) -> ast.expr:
    if isinstance(node, ast.ListComp):
        return ast.copy_location(ast.List([], ast.Load()), node)
    if isinstance(node, ast.DictComp):
        return ast.copy_location(ast.Dict([], []), node)
    # `{*()}` needs no name that an author might have given to something else.
    nothing = ast.copy_location(ast.Tuple([], ast.Load()), node)
    spread = ast.copy_location(ast.Starred(nothing, ast.Load()), node)
    return ast.copy_location(ast.Set([spread]), node)


def _collecting(
    node: Awaiting, renamed: Mapping[str, str], result: str, fresh: Callable[[], str]
) -> list[ast.stmt]:
    if isinstance(node, ast.DictComp):
        _rename(node.key, renamed)
        _rename(node.value, renamed)
        # A comprehension evaluates the key first, an assignment the value.
        key = fresh()
        target = ast.Subscript(_load(result, node), _load(key, node.key), ast.Store())
        where = ast.copy_location(target, node.value)
        return [
            _assign(key, node.key),
            ast.copy_location(ast.Assign([where], node.value), node.value),
        ]
    _rename(node.elt, renamed)
    method = "append" if isinstance(node, ast.ListComp) else "add"
    function = ast.copy_location(ast.Attribute(_load(result, node), method, ast.Load()), node.elt)
    call = ast.copy_location(ast.Call(function, [node.elt], []), node.elt)
    return [ast.copy_location(ast.Expr(call), node.elt)]


def _assign(name: str, value: ast.expr) -> ast.stmt:
    target = ast.copy_location(ast.Name(name, ast.Store()), value)
    return ast.copy_location(ast.Assign([target], value), value)


def _load(name: str, where: ast.AST) -> ast.Name:
    return ast.copy_location(ast.Name(name, ast.Load()), where)


def _rename(node: ast.AST, renamed: Mapping[str, str]) -> None:
    def visit(inner: ast.AST, hidden: frozenset[str]) -> None:
        if isinstance(inner, ast.Name) and inner.id not in hidden:
            inner.id = renamed.get(inner.id, inner.id)
        walk_scope(inner, hidden, visit)

    visit(node, frozenset())
