"""Which statements need nodes of their own, and which stay together as code."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

from waymark.graph.trees import FIELDS, children, class_of, walk


def has_await(node: ast.AST) -> bool:
    """Whether evaluating `node` awaits (nested functions are not evaluated)."""
    nodes = [node]
    for inner in nodes:
        kind = type(inner)
        if kind in _WAITING:
            if not isinstance(inner, ast.comprehension) or inner.is_async:
                return True
        elif kind in _SIMPLE:
            continue
        elif isinstance(inner, ast.Lambda):
            nodes += _defaults(inner.args)
            continue
        elif isinstance(inner, ast.FunctionDef):
            nodes += (*inner.decorator_list, *_defaults(inner.args))
            continue
        for field in FIELDS[kind]:
            value: Any = getattr(inner, field, None)
            if class_of(value) is list:
                nodes += filter(None, value)
            elif value is not None:
                nodes.append(value)
    return False


#: What waits; a comprehension only if it is asynchronous.
_WAITING = frozenset({ast.Await, ast.AsyncWith, ast.AsyncFor, ast.comprehension})
_SIMPLE = frozenset({ast.Name, ast.Constant})


def _defaults(arguments: ast.arguments) -> list[ast.expr]:
    return [*arguments.defaults, *filter(None, arguments.kw_defaults)]


def is_pure(statement: ast.stmt) -> bool:
    """Whether `statement` may be part of a compute node: it does not await, does
    not return, leaves no loop around it, and raises nothing that is being
    handled around it."""
    return not has_await(statement) and not _leaves(statement, looping=False, handling=False)


def _leaves(node: ast.AST, *, looping: bool, handling: bool) -> bool:
    match node:
        case ast.Return() | ast.TryStar():
            # Pythons do not agree on `except*`: the engine has one for all.
            return True
        case ast.Break() | ast.Continue():
            return not looping
        case ast.Raise(exc=None):
            return not handling
        case ast.FunctionDef() | ast.expr():
            return False
        case ast.For() | ast.While():
            return _any_leaves(node.body, looping=True, handling=handling) or _any_leaves(
                node.orelse, looping=looping, handling=handling
            )
        case ast.ExceptHandler():
            return _any_leaves(node.body, looping=looping, handling=True)
        case _:
            return _any_leaves(children(node), looping=looping, handling=handling)


def _any_leaves(nodes: Sequence[ast.AST], *, looping: bool, handling: bool) -> bool:
    return any(_leaves(node, looping=looping, handling=handling) for node in nodes)


def never_ends(loop: ast.While) -> bool:
    """Whether a `while` with a constant true test can neither wait nor end."""
    if not (isinstance(loop.test, ast.Constant) and loop.test.value) or has_await(loop):
        return False
    return not any(_can_end(statement, inner=False) for statement in loop.body)


def _can_end(node: ast.AST, *, inner: bool) -> bool:
    match node:
        case ast.Break():
            return not inner
        case ast.Return() | ast.Raise() | ast.Assert():
            return True
        case ast.Call():
            # What is called may raise, and raising leaves the loop.
            return True
        case ast.FunctionDef() | ast.Lambda():
            return False
        case ast.For() | ast.While():
            return any(_can_end(child, inner=True) for child in children(node))
        case _:
            return any(_can_end(child, inner=inner) for child in children(node))


def awaits_inside_generator(node: ast.AST) -> ast.GeneratorExp | None:
    """A generator expression that would be an async generator."""
    for inner in walk(node):
        if isinstance(inner, ast.GeneratorExp):
            first, *rest = inner.generators
            later = [inner.elt, *first.ifs, *rest]
            if any(has_await(part) for part in later):
                return inner
    return None
