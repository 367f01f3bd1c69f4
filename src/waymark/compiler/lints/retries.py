"""Retries of actions that say of themselves that they must not be repeated.

Only what the author wrote in plain words counts: a docstring or a name with "not
idempotent" and the like. An action that uses its idempotency key has done what can
be done about it.
"""

from __future__ import annotations

import ast
import inspect
import re
from typing import Any, Final, cast

from waymark.authoring.action import Action
from waymark.graph.policies import RetryPolicy

from .scene import Scene

_WORDS: Final = re.compile(
    r"(?<![a-z])(not|isn't|non|never)[\s_-]+(an[\s_]+)?idempotent(?![a-z])|nonidempotent"
    r"|(?<![a-z])(must not|should not|cannot|do not|don't|never)\s+(be\s+)?"
    r"(retry|retried)(?![a-z])",
    re.IGNORECASE,
)
_KEY: Final = "idempotency_key"
_NO_CODE: Final = compile("", "", "exec")


def check_retries(scene: Scene) -> None:
    """Report calls that are tried again though the action says that it must not be."""
    for node in scene.of(ast.Call):
        action = _action(scene, node)
        if action is not None and _attempts(action) > 1:
            _check(scene, node, action, f"is tried up to {_attempts(action)} times")
        inner = _run_action(scene, node)
        action = None if inner is None else _action(scene, inner)
        if inner is not None and action is not None:
            _check(scene, inner, action, "is tried again here when it fails")


def _action(scene: Scene, call: ast.Call) -> Action[..., Any] | None:
    live = scene.live(call.func)
    return cast("Action[..., Any]", live) if isinstance(live, Action) else None


def _attempts(action: Action[..., Any]) -> int:
    retry = action.policy.retry if action.policy is not None else None
    return retry.attempts if retry is not None else 1


def _run_action(scene: Scene, node: ast.Call) -> ast.Call | None:
    """The call that `self.run_action(call, retry=...)` retries."""
    match node:
        case ast.Call(
            func=ast.Attribute(value=ast.Name(id=name), attr="run_action"),
            args=[ast.Call() as call],
        ) if name == scene.receiver:
            retry = next((each.value for each in node.keywords if each.arg == "retry"), None)
            return call if _retries(scene, retry) else None
        case _:
            return None


def _retries(scene: Scene, node: ast.expr | None) -> bool:
    """Whether a policy certainly means a second attempt."""
    if node is None:
        return False
    live = scene.live(node)
    if isinstance(live, RetryPolicy):
        return live.attempts > 1
    if not isinstance(node, ast.Call) or scene.live(node.func) is not RetryPolicy:
        return False
    given = next((each.value for each in node.keywords if each.arg == "attempts"), None)
    if given is None:
        return True
    return isinstance(given, ast.Constant) and isinstance(given.value, int) and given.value > 1


def _check(scene: Scene, node: ast.Call, action: Action[..., Any], how: str) -> None:
    function = inspect.unwrap(action.function)
    said = _WORDS.search(inspect.getdoc(function) or "")
    found = said or _WORDS.search(function.__name__)
    if found is None or _KEY in getattr(function, "__code__", _NO_CODE).co_names:
        return
    words = re.sub(r"[\s_]+", " ", found[0])
    where = "name" if said is None else "docstring"
    scene.report(
        node,
        "WM315",
        f'`{ast.unparse(node.func)}` {how}, and its {where} says "{words}"',
        "pass on `waymark.context().idempotency_key`, which is the same at each attempt, or do not"
        " retry it",
    )
