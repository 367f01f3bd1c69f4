"""Awaitables of a run: what an `Await` node's code evaluates to.

They stand where Python has coroutines. Making one has no effect but to copy the
arguments; only `await` and `gather` set it going, and each once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

from .links import LinkedAction


class ActionCall:
    """A call of an action. `arguments` is its recorded form, a copy taken when
    the call expression was evaluated; `node` is where it is awaited."""

    __slots__ = ("action", "arguments", "awaited", "node")

    def __init__(self, action: LinkedAction, arguments: bytes) -> None:
        self.action = action
        self.arguments = arguments
        self.awaited = False
        self.node = -1

    def __repr__(self) -> str:
        return f"<call of {self.action.name}>"


class HelperCall:
    """A call of an async helper. `values` are its bound parameters, shared with
    the caller as in Python, in the order of the function's parameters."""

    __slots__ = ("awaited", "function", "name", "values")

    def __init__(self, function: int, name: str, values: tuple[Any, ...]) -> None:
        self.function = function
        self.name = name
        self.values = values
        self.awaited = False

    def __repr__(self) -> str:
        return f"<call of {self.name}>"


class SleepCall:
    """`asyncio.sleep(delay, result)`. `delay_ns` is 0 for a bare yield."""

    __slots__ = ("awaited", "delay_ns", "result")

    def __init__(self, delay: float, result: Any = None) -> None:
        if math.isnan(delay):
            raise ValueError("Invalid delay: NaN (not a number)")
        self.delay_ns = 0 if delay <= 0 else max(1, round(delay * 1_000_000_000))
        self.result = result
        self.awaited = False

    def __repr__(self) -> str:
        return f"<sleep of {self.delay_ns / 1e9} s>"


class GatherCall:
    """`asyncio.gather(*children)`; equal children are awaited once."""

    __slots__ = ("awaited", "children", "collects")

    def __init__(self, *children: Any, return_exceptions: bool = False) -> None:
        for child in children:
            if not isinstance(child, ActionCall | HelperCall | SleepCall | GatherCall):
                raise TypeError("An asyncio.Future, a coroutine or an awaitable is required")
        self.children: tuple[Awaitable, ...] = children
        self.collects = bool(return_exceptions)
        self.awaited = False

    def __repr__(self) -> str:
        return f"<gather of {len(self.children)}>"


Awaitable: TypeAlias = ActionCall | HelperCall | SleepCall | GatherCall


def action_stub(action: LinkedAction) -> Callable[..., ActionCall]:
    """What an action's name means inside a graph: calling it records the
    arguments and gives an awaitable."""
    pack = action.arguments.pack

    def call(*args: Any, **kwargs: Any) -> ActionCall:
        return ActionCall(action, pack(args, kwargs))

    call.__name__ = action.name
    return call
