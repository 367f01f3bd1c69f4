"""`self.run_action(...)`: what can be seen to be wrong with its call before it runs."""

from __future__ import annotations

import ast
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from waymark.graph.policies import RetryPolicy, call_policy

from .names import MISSING, Namespace
from .reach import Reach
from .table import Prepared

_OPTIONS = ("retry", "timeout", "total_timeout")

#: What may be called in a policy that is known before the run.
_MAKERS: tuple[Callable[..., Any], ...] = (RetryPolicy, timedelta)


def check_policies(node: ast.Call, prepared: Prepared, reach: Reach, *, fits: bool) -> None:
    """Report a first argument that is no action's call (`fits` False), options that do
    not exist, and policies that can never apply."""
    source = prepared.source
    if not fits:
        what = ast.unparse(node.args[0]) if node.args else "nothing"
        reach.report(
            source,
            node.args[0] if node.args else node,
            "WM502",
            f"`run_action` tries the call of an action again, and `{what}` is none",
            "give it the call itself, not awaited: `self.run_action(act(x), retry=...)`",
        )
    values = _Values(prepared)
    for keyword in node.keywords:
        if keyword.arg not in _OPTIONS:
            given = "**" if keyword.arg is None else keyword.arg
            reach.report(
                source,
                keyword,
                "WM504",
                f"`run_action` has no option `{given}`",
                "its options are `retry=`, `timeout=` and `total_timeout=`; what else is to be told"
                " goes to the action",
            )
            continue
        problem = values.problem(keyword.arg, keyword.value)
        if problem is not None:
            reach.report(
                source, keyword.value, "WM503", problem, "correct it, or leave the option out"
            )


class _Values:
    """Values of expressions, as far as they are known before the run."""

    def __init__(self, prepared: Prepared) -> None:
        self._prepared = prepared
        self._namespace = Namespace(prepared.pending.function)

    def problem(self, option: str, node: ast.expr) -> str | None:
        """What is impossible about an option's value, None if nothing or not known."""
        try:
            value = self.value(node)
            if value is not MISSING:
                call_policy(**{"retry": None, "timeout": None, option: value})
        except (TypeError, ValueError, OverflowError) as error:
            return f"{error}"
        return None

    def value(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant():
                return node.value
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as number)):
                return -number
            case ast.List() | ast.Tuple():
                return self.all(node.elts, list)
            case ast.Name() if node.id not in self._prepared.variables:
                found = self._namespace.look_up(node.id)
                known = isinstance(found, (RetryPolicy, timedelta, int, float, str, type))
                return found if known else _builtin(node.id)
            case ast.Call(func=ast.Name() as function):
                return self.made(node, self.value(function))
            case _:
                return MISSING

    def made(self, node: ast.Call, maker: Any) -> Any:
        if not any(maker is known for known in _MAKERS):
            return MISSING
        args = self.all(node.args, list)
        named = {keyword.arg or "": self.value(keyword.value) for keyword in node.keywords}
        if args is MISSING or "" in named or any(value is MISSING for value in named.values()):
            return MISSING
        return maker(*args, **named)

    def all(self, nodes: list[ast.expr], make: type) -> Any:
        values = [self.value(node) for node in nodes]
        return MISSING if any(value is MISSING for value in values) else make(values)


def _builtin(name: str) -> Any:
    found = getattr(__import__("builtins"), name, MISSING)
    return found if isinstance(found, type) else MISSING
