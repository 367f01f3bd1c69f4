"""Values that nobody looks at.

-   A pure expression as a statement (`sorted(names)`, `total == 3`): it can only
    have been meant to do something. Calls that people make for the error they
    may raise (`int(text)`, `names.index(x)`) are left alone, and so is a
    statement in the body of a `try`.
-   `gather(..., return_exceptions=True)` whose results are thrown away: every
    error in it vanishes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from waymark.graph.trees import children

from ..catalogued import library_path
from .scene import Scene, blocks

#: Calls that change nothing and cannot be meant for what they raise.
_BUILTINS = (
    "abs bool enumerate filter format id isinstance issubclass len map repr reversed round"
    " sorted str type zip"
)
_IDLE = frozenset(_BUILTINS.split())


def check_unused(scene: Scene) -> None:
    """Report statements whose value is thrown away and mattered."""
    for node, trying in _statements(scene.definition.body, trying=False):
        if isinstance(node, ast.Expr):
            _value(scene, node.value, trying=trying)


def _statements(body: list[ast.stmt], *, trying: bool) -> Iterator[tuple[ast.stmt, bool]]:
    """Each statement, with whether it stands in the body of a `try`."""
    for node in body:
        yield node, trying
        attempt = node if isinstance(node, (ast.Try, ast.TryStar, ast.With)) else None
        for block in blocks(node):
            inside = attempt is not None and block is attempt.body
            yield from _statements(block, trying=trying or inside)
        for part in children(node):
            if isinstance(part, (ast.ExceptHandler, ast.match_case)):
                yield from _statements(part.body, trying=trying)


def _value(scene: Scene, node: ast.expr, *, trying: bool) -> None:
    match node:
        case ast.Await(value=ast.Call() as call):
            if _keeps_errors(scene, call):
                scene.report(
                    call,
                    "WM316",
                    "the results of this `gather` are thrown away, and with them every error",
                    "look at the results, or leave out `return_exceptions=True`",
                )
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
    name = ast.unparse(call.func)
    if path is not None and path.removeprefix("builtins.") in _IDLE and not trying:
        scene.report(
            call,
            "WM415",
            f"the result of `{name}` is thrown away, and it changes nothing",
            f"keep it: `result = {name}(...)`",
        )


def _keeps_errors(scene: Scene, call: ast.Call) -> bool:
    return library_path(scene.live(call.func)) == "asyncio.gather" and any(
        keyword.arg == "return_exceptions"
        and isinstance(keyword.value, ast.Constant)
        and keyword.value.value is True
        for keyword in call.keywords
    )
