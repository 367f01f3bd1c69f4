"""Values that nobody looks at.

-   A pure expression as a statement (`sorted(names)`, `total == 3`): it can only
    have been meant to do something. Calls that people make for the error they
    may raise (`int(text)`, `names.index(x)`) are left alone, and so is a
    statement in the body of a `try`.
-   `gather(..., return_exceptions=True)` of calls whose results are thrown away:
    every error in it vanishes. Where something is being cleaned up, and with tasks
    that are given by name, that is what people mean.
-   A task that `run` begins after its last await: it is cancelled before it does
    anything.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from waymark.graph.trees import walk

from ..catalogued import library_path
from .scene import Scene, blocks

#: Calls that change nothing and cannot be meant for what they raise.
_BUILTINS = (
    "abs bool enumerate filter format id isinstance issubclass len map repr reversed round"
    " sorted str type zip"
)
_IDLE = frozenset(_BUILTINS.split())


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_WAITS = (ast.Await, ast.AsyncWith, ast.AsyncFor)
_AROUND = (ast.For, ast.While, ast.AsyncFor, ast.AsyncWith, *_FUNCTIONS)


def check_unused(scene: Scene) -> None:
    """Report statements whose value is thrown away and mattered."""
    for node, trying in _statements(scene.definition.body, trying=False):
        if isinstance(node, ast.Expr):
            _value(scene, node.value, trying=trying)
    for node in _meant(scene):
        _errors(scene, node)
    if scene.method and scene.definition.name == "run":
        _tasks(scene)


def _statements(body: list[ast.stmt], *, trying: bool) -> Iterator[tuple[ast.stmt, bool]]:
    """Each statement, with whether it stands in the body of a `try`."""
    for node in body:
        yield node, trying
        attempt = node if isinstance(node, (ast.Try, ast.TryStar, ast.With)) else None
        for block in blocks(node):
            inside = attempt is not None and block is attempt.body
            yield from _statements(block, trying=trying or inside)
        parts = attempt.handlers if isinstance(attempt, (ast.Try, ast.TryStar)) else ()
        for part in node.cases if isinstance(node, ast.Match) else parts:
            yield from _statements(part.body, trying=trying)


def _value(scene: Scene, node: ast.expr, *, trying: bool) -> None:
    match node:
        case ast.Call():
            _call(scene, node, trying=trying)
        case ast.Compare() if not trying:
            scene.report(
                node,
                "WM415",
                "the result of this comparison is thrown away",
                "use it in an `if` or `assert`, or write `=` to assign",
            )
        case _:
            pass


def _call(scene: Scene, call: ast.Call, *, trying: bool) -> None:
    path = library_path(scene.live(call.func))
    if path is not None and path.removeprefix("builtins.") in _IDLE and not trying:
        name = ast.unparse(call.func)
        scene.report(
            call,
            "WM415",
            f"the result of `{name}` is thrown away, and it changes nothing",
            f"keep it: `result = {name}(...)`",
        )


def _meant(scene: Scene) -> Iterator[ast.Expr]:
    """Statements outside of handlers and `finally`, where cleaning up goes on
    whatever fails."""
    cleaning = [handler.body for handler in scene.of(ast.ExceptHandler)]
    cleaning += [attempt.finalbody for attempt in scene.of(ast.Try)]
    cleaning += [attempt.finalbody for attempt in scene.of(ast.TryStar)]
    apart = {inner for body in cleaning for inner in walk(*body) if isinstance(inner, ast.Expr)}
    return (node for node in scene.of(ast.Expr) if node not in apart)


def _errors(scene: Scene, node: ast.Expr) -> None:
    if not isinstance(node.value, ast.Await) or not isinstance(node.value.value, ast.Call):
        return
    call = node.value.value
    # Tasks that were cancelled are awaited like this.
    begun = all(_is_call(argument) for argument in call.args)
    if begun and _keeps_errors(scene, call):
        scene.report(
            call,
            "WM316",
            "the results of this `gather` are thrown away, and with them every error",
            "look at the results, or leave out `return_exceptions=True`",
        )


def _is_call(node: ast.expr) -> bool:
    """Whether an argument of `gather` makes its calls itself."""
    match node:
        case ast.Starred(value=ast.ListComp(elt=one) | ast.GeneratorExp(elt=one)):
            return isinstance(one, ast.Call)
        case _:
            return isinstance(node, ast.Call)


def _tasks(scene: Scene) -> None:
    """Tasks that the body begins after its last await: it ends before they do
    anything, and what still runs when a body ends is cancelled."""
    for node in scene.of(ast.Expr):
        if not isinstance(node.value, ast.Call):
            continue
        if library_path(scene.live(node.value.func)) != "asyncio.create_task":
            continue
        waits = (wait for wait in scene.nodes if isinstance(wait, _WAITS))
        if any(wait.lineno >= node.lineno for wait in waits) or _inside_waiting(scene, node):
            continue
        scene.report(
            node,
            "WM317",
            "nothing waits after this, so the body ends before the task does anything, and the"
            " task is cancelled",
            "await it: `await asyncio.create_task(...)`, or the call itself",
        )


def _inside_waiting(scene: Scene, node: ast.stmt) -> bool:
    """Whether something around `node` waits later: a loop in its next turn, a
    `with` when it is left; or a function, of which nobody knows when it is called."""
    around = (outer for outer in scene.nodes[1:] if isinstance(outer, _AROUND))
    for outer in around:
        inside = walk(outer)
        if node in inside and any(isinstance(inner, (*_WAITS, *_FUNCTIONS)) for inner in inside):
            return True
    return False


def _keeps_errors(scene: Scene, call: ast.Call) -> bool:
    return library_path(scene.live(call.func)) == "asyncio.gather" and any(
        keyword.arg == "return_exceptions"
        and isinstance(keyword.value, ast.Constant)
        and keyword.value.value is True
        for keyword in call.keywords
    )
