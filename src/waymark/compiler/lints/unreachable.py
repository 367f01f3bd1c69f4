"""Statements and handlers that nothing can reach.

A block *ends* where it certainly leaves by `return`, `raise`, `break` or
`continue`, or never leaves. What follows in the same block is dead. In doubt a
statement goes on: a `with` may swallow what was raised in it, `assert` may be
switched off, a `match` may match nothing.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from itertools import pairwise

from waymark.graph.trees import children

from .scene import Scene, blocks


def check_unreachable(scene: Scene) -> None:
    """Report code that nothing reaches, and `except` parts that catch nothing."""
    for node in scene.compound():
        for block in blocks(node):
            _block(scene, block)
        if isinstance(node, (ast.Try, ast.TryStar)):
            _handlers(scene, node.handlers)


def _block(scene: Scene, block: Sequence[ast.stmt]) -> None:
    for statement, dead in pairwise(block):
        if ends(statement):
            scene.report(
                dead,
                "WM310",
                f"nothing reaches this: {_why(statement)}",
                "take it away, or move it above",
            )
            return


def _why(statement: ast.stmt) -> str:
    match statement:
        case ast.Return():
            return "the `return` above leaves"
        case ast.Raise():
            return "the `raise` above leaves"
        case ast.Break():
            return "the `break` above leaves"
        case ast.Continue():
            return "the `continue` above leaves"
        case ast.While():
            return "the loop above never ends"
        case _:
            return "every way through the statement above leaves"


def ends(statement: ast.stmt) -> bool:
    """Whether what follows `statement` is never reached."""
    match statement:
        case ast.Return() | ast.Raise() | ast.Break() | ast.Continue():
            return True
        case ast.If(body=body, orelse=orelse):
            return block_ends(body) and block_ends(orelse)
        case ast.While(test=test, body=body):
            return is_true(test) and not any(breaks(inner) for inner in body)
        case ast.Try() | ast.TryStar():
            return block_ends(statement.finalbody) or _attempt_ends(statement)
        case ast.Match(cases=cases):
            whole = any(_matches_all(case) for case in cases)
            return whole and all(block_ends(case.body) for case in cases)
        case _:
            return False


def block_ends(block: Sequence[ast.stmt]) -> bool:
    """Whether nothing leaves `block` at its end."""
    return any(ends(statement) for statement in block)


def _attempt_ends(node: ast.Try | ast.TryStar) -> bool:
    body = block_ends(node.body) or block_ends(node.orelse)
    return body and all(block_ends(handler.body) for handler in node.handlers)


def _matches_all(case: ast.match_case) -> bool:
    return case.guard is None and isinstance(case.pattern, ast.MatchAs) and not case.pattern.pattern


def is_true(test: ast.expr) -> bool:
    """Whether a condition is a constant that holds: `while True`, `while 1`."""
    return isinstance(test, ast.Constant) and bool(test.value)


def breaks(node: ast.AST) -> bool:
    """Whether `node` holds a `break` of the loop around it."""
    match node:
        case ast.Break():
            return True
        case ast.For() | ast.AsyncFor() | ast.While():
            return any(breaks(inner) for inner in node.orelse)
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.expr():
            return False
        case _:
            return any(breaks(inner) for inner in children(node))


# Handlers


def _handlers(scene: Scene, handlers: Sequence[ast.ExceptHandler]) -> None:
    caught: list[type] = []
    for handler in handlers:
        classes = _classes(scene, handler.type)
        if classes and all(any(known in cls.__mro__ for known in caught) for cls in classes):
            first = next(known for known in caught if known in classes[0].__mro__)
            scene.report(
                handler,
                "WM311",
                f"nothing reaches this `except`: `{first.__name__}` above it catches the same",
                "put the narrower class first",
            )
        caught.extend(classes or ())


def _classes(scene: Scene, node: ast.expr | None) -> list[type] | None:
    """The classes of an `except`, None where one of them is not known."""
    if node is None:
        return [BaseException]
    parts = node.elts if isinstance(node, ast.Tuple) else [node]
    found = list(_live_classes(scene, parts))
    return found if len(found) == len(parts) else None


def _live_classes(scene: Scene, parts: Sequence[ast.expr]) -> Iterator[type]:
    for part in parts:
        live = scene.live(part)
        if isinstance(live, type) and issubclass(live, BaseException):
            yield live
