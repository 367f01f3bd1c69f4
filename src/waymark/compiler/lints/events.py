"""Waits for an event that nothing would ever end, if the event does not come.

Only `run` itself is looked at, where nobody else can put a limit around: a wait that
is awaited there, alone or in a gather, without `timeout=` and in no
`asyncio.timeout` or `wait_for`. What is begun as a task may be cancelled.
"""

from __future__ import annotations

import ast

from waymark.graph.trees import children

from ..catalogued import library_path
from .scene import Scene

_WAIT = "wait_for_event"
_LIMITS = ("asyncio.timeout", "asyncio.timeout_at")


def check_events(scene: Scene) -> None:
    """Report waits for events without an end."""
    waits = any(node.attr == _WAIT for node in scene.of(ast.Attribute))
    if waits and scene.method and scene.definition.name == "run":
        _visit(scene, scene.definition, limited=False)


def _visit(scene: Scene, node: ast.AST, *, limited: bool) -> None:
    if isinstance(node, ast.AsyncWith):
        limited = limited or any(_is_limit(scene, item.context_expr) for item in node.items)
    if isinstance(node, ast.Await) and not limited:
        _awaited(scene, node.value)
    for child in children(node):
        if type(child) not in _APART:
            _visit(scene, child, limited=limited)


#: Functions of their own, and what holds no await.
_APART = frozenset({ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.Name, ast.Constant})


def _is_limit(scene: Scene, node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and library_path(scene.live(node.func)) in _LIMITS


def _awaited(scene: Scene, node: ast.expr) -> None:
    if not isinstance(node, ast.Call):
        return
    if library_path(scene.live(node.func)) == "asyncio.gather":
        for argument in node.args:
            _awaited(scene, argument)
    elif _waits_for_event(scene, node) and not _has_timeout(node):
        scene.report(
            node,
            "WM314",
            "this waits for an event that may never come, and then the run never ends",
            "say how long, and what happens then:"
            " `timeout=timedelta(days=7)`, with `except TimeoutError` around it",
        )


def _waits_for_event(scene: Scene, node: ast.Call) -> bool:
    match node.func:
        case ast.Attribute(value=ast.Name(id=name), attr=method):
            return name == scene.receiver and method == _WAIT
        case _:
            return False


def _has_timeout(node: ast.Call) -> bool:
    given = next((each.value for each in node.keywords if each.arg in ("timeout", None)), None)
    return given is not None and not (isinstance(given, ast.Constant) and given.value is None)
