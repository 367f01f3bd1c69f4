"""Loops without an end that anybody could see.

Three findings, each only where the text itself proves it:

-   a loop of `run` that goes round for ever and never waits but for its actions:
    nothing breaks, returns or raises, no `try` around it waits for an error to end
    it, and no `async with` for a time limit;
-   a `while` of `run` whose condition nothing in the loop can change: plain names that the
    loop neither assigns nor hands to anything that could change what they hold;
-   a `try` in an endless loop whose handler takes `CancelledError` and goes on,
    so that the run cannot be cancelled.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator

from waymark.authoring.action import Action
from waymark.graph.trees import children, walk

from ..catalogued import library_path
from ..purity import has_await
from .scene import Scene, own_statements
from .unreachable import breaks, is_true

_ENDLESS = (itertools.count, itertools.cycle)
_PLAIN = (ast.Name, ast.Constant, ast.Compare, ast.BoolOp, ast.UnaryOp, ast.BinOp)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
#: Where a value may stand and nothing can get hold of it.
_LOOKS = (*_PLAIN, ast.While, ast.If, ast.IfExp, ast.FormattedValue, ast.Call, ast.keyword)


def check_loops(scene: Scene) -> None:
    """Report loops that cannot end, and those that cannot be cancelled."""
    # Who calls a helper as a task may cancel it; a time limit ends what is in it.
    outermost = scene.method and scene.definition.name == "run"
    for loop, guarded in _loops(scene.definition, guarded=not outermost):
        if isinstance(loop, ast.While) and not is_true(loop.test):
            _condition(scene, loop, guarded=guarded)
        elif _is_endless(scene, loop):
            _endless(scene, loop, guarded=guarded)
            for attempt in _attempts(loop):
                _swallows(scene, attempt)


def _loops(node: ast.AST, *, guarded: bool) -> Iterator[tuple[ast.For | ast.While, bool]]:
    """Each loop, with whether some handler stands around it."""
    if isinstance(node, (ast.For, ast.While)):
        yield node, guarded
    attempt = node if isinstance(node, (ast.Try, ast.TryStar)) and node.handlers else None
    for child in children(node):
        if isinstance(child, ast.expr):
            continue
        inside = isinstance(node, (ast.With, ast.AsyncWith)) or (
            attempt is not None and child in attempt.body
        )
        yield from _loops(child, guarded=guarded or inside)


def _is_endless(scene: Scene, loop: ast.For | ast.While) -> bool:
    if isinstance(loop, ast.While):
        return is_true(loop.test)
    call = loop.iter
    return isinstance(call, ast.Call) and scene.live(call.func) in _ENDLESS


def _can_leave(loop: ast.For | ast.While) -> bool:
    inside = [node for statement in loop.body for node in own_statements(statement)]
    leaves = any(isinstance(node, (ast.Return, ast.Raise, ast.Assert)) for node in inside)
    return leaves or any(breaks(statement) for statement in loop.body)


def _endless(scene: Scene, loop: ast.For | ast.While, *, guarded: bool) -> None:
    awaits = [
        node
        for statement in loop.body
        for node in own_statements(statement)
        if isinstance(node, (ast.Await, ast.AsyncWith, ast.AsyncFor))
    ]
    if guarded or _can_leave(loop) or not awaits:
        return
    if all(_awaits_action(scene, node) for node in awaits):
        scene.report(
            loop.test if isinstance(loop, ast.While) else loop.iter,
            "WM312",
            "this loop goes on for ever and never waits; the run can neither end nor rest",
            "leave it with `break` or `return`, or wait in it: `await asyncio.sleep(seconds)`",
        )


def _awaits_action(scene: Scene, node: ast.AST) -> bool:
    if not isinstance(node, ast.Await) or not isinstance(node.value, ast.Call):
        return False
    return isinstance(scene.live(node.value.func), Action)


# Conditions


def _condition(scene: Scene, loop: ast.While, *, guarded: bool) -> None:
    names = _plain_names(scene, loop.test)
    if not names or guarded or _can_leave(loop) or not has_await(loop):
        return
    if any(_binds(node, names) for node in walk(loop)) or not _kept(scene, names):
        return
    scene.report(
        loop.test,
        "WM313",
        "nothing in this loop changes its condition, so once begun it never ends",
        f"change {_listed(names)} in the loop, or leave it with `break`",
    )


def _plain_names(scene: Scene, test: ast.expr) -> set[str]:
    """The variables that alone decide `test`, empty where it asks anything else."""
    found: set[str] = set()
    for node in walk(test):
        if isinstance(node, ast.Name):
            if not scene.is_local(node.id):
                return set()
            found.add(node.id)
        elif isinstance(node, ast.expr) and not isinstance(node, _PLAIN):
            return set()
    return found


def _binds(node: ast.AST, names: set[str]) -> bool:
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            return name in names
        case ast.ExceptHandler(name=name) | ast.MatchAs(name=name) | ast.MatchStar(name=name):
            return name in names
        case ast.MatchMapping(rest=name):
            return name in names
        case _:
            return False


def _kept(scene: Scene, names: set[str]) -> bool:
    """Whether what `names` hold is only ever looked at, so that nothing else can
    change it: it is compared, or passed to an action, which gets a copy."""
    for parent in scene.nodes:
        for child in children(parent):
            if not isinstance(child, ast.Name) or child.id not in names:
                continue
            if isinstance(child.ctx, ast.Load) and not isinstance(parent, _LOOKS):
                return False
    return not _given_away(scene, names)


def _given_away(scene: Scene, names: set[str]) -> bool:
    return any(
        isinstance(inner, ast.Name) and inner.id in names
        for node in scene.nodes
        if isinstance(node, _SCOPES)
        or (isinstance(node, ast.Call) and not isinstance(scene.live(node.func), Action))
        if node is not scene.definition
        for inner in walk(node)
    )


def _listed(names: set[str]) -> str:
    return " or ".join(f"`{name}`" for name in sorted(names))


# Cancellation


def _attempts(loop: ast.For | ast.While) -> Iterator[ast.Try]:
    return (
        node
        for statement in loop.body
        for node in own_statements(statement)
        if isinstance(node, ast.Try) and any(map(has_await, node.body))
    )


def _swallows(scene: Scene, attempt: ast.Try) -> None:
    handlers = (each for each in attempt.handlers if _takes_cancellation(scene, each.type))
    handler = next(handlers, None)
    if handler is not None and not _goes_out(handler):
        scene.report(
            handler,
            "WM318",
            "this takes `CancelledError` and goes on, so the run cannot be cancelled",
            "catch `Exception` instead, or end the handler with `raise`",
        )


def _takes_cancellation(scene: Scene, node: ast.expr | None) -> bool:
    if node is None:
        return True
    classes = map(scene.live, node.elts if isinstance(node, ast.Tuple) else [node])
    return any(
        cls is BaseException or library_path(cls) == "asyncio.CancelledError" for cls in classes
    )


def _goes_out(handler: ast.ExceptHandler) -> bool:
    leaving = (ast.Raise, ast.Return, ast.Break)
    return any(
        isinstance(node, leaving)
        for statement in handler.body
        for node in own_statements(statement)
    )
