"""Awaitables of a run: what an `Await` node's code evaluates to.

They stand where Python has coroutines. Making one has no effect but to copy the
arguments; only `await` or a task sets it going, and each once. Futures, which go
on by themselves, are in `concurrency`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import CellType
from typing import TYPE_CHECKING, Any, TypeAlias

from waymark.graph.model import DEFINED
from waymark.graph.policies import NO_CALL, CallPolicy, call_policy

from .links import LinkedAction, LinkedWorkflow

if TYPE_CHECKING:
    from waymark.values import RecordedArguments

#: Longer sleeps (`inf` among them) end with it: 73 years, which fit a deadline.
SLEEP_SECONDS_MAX = float(2**61 // 1_000_000_000)


class ActionCall:
    """A call of an action. `arguments` is its recorded form, a copy taken when
    the call expression was evaluated, and `plain` the same by name where all are plain
    scalars; `node` is where it is awaited."""

    __slots__ = ("action", "arguments", "awaited", "node", "plain")

    def __init__(self, action: LinkedAction, recorded: RecordedArguments) -> None:
        self.action = action
        self.arguments, self.plain = recorded
        self.awaited = False
        self.node = -1

    def __repr__(self) -> str:
        return f"<call of {self.action.name}>"


class PolicedCall(ActionCall):
    """`self.run_action(call, ...)`: the call of an action with a policy. Awaiting it
    awaits the call, which cannot be awaited again then."""

    __slots__ = ("call", "policy")

    def __init__(self, call: ActionCall, policy: CallPolicy) -> None:
        self.call = call
        self.policy = policy
        self.action = call.action
        self.arguments, self.plain = call.arguments, call.plain
        self.node = -1

    @property
    def awaited(self) -> bool:
        return self.call.awaited

    @awaited.setter
    def awaited(self, awaited: bool) -> None:
        self.call.awaited = awaited


class ChildCall(ActionCall):
    """A call of another workflow's `run`: an effect as an action's call is, whose
    `action` is the workflow."""

    __slots__ = ()


class ChildWorkflow:
    """What `Other()` is inside a run: something with a `run` to call. `run` makes
    `ChildCall`s, and is all that may be reached."""

    __slots__ = ("run",)

    def __init__(self, run: Callable[..., ChildCall]) -> None:
        self.run = run


class HelperCall:
    """A call of an async helper. `values` are its bound parameters, shared with
    the caller as in Python, in the order of the function's parameters. Where a
    value object makes the call (`lock.acquire()`), `function` is -1 until it is
    awaited, and `name` the definition that the compiler put into the graph.
    `captured` are the variables that a local function shares."""

    __slots__ = ("awaited", "captured", "function", "name", "values")

    def __init__(
        self,
        function: int,
        name: str,
        values: tuple[Any, ...],
        captured: tuple[CellType, ...] = (),
    ) -> None:
        self.function = function
        self.name = name
        self.values = values
        self.captured = captured
        self.awaited = False

    def __repr__(self) -> str:
        return f"<call of {self.name}>"


class SleepCall:
    """`asyncio.sleep(delay, result)`. `delay_ns` is 0 for a bare yield."""

    __slots__ = ("awaited", "delay_ns", "result")

    def __init__(self, delay: float, result: Any = None) -> None:
        self.delay_ns = 0 if delay <= 0 else _nanoseconds(delay)
        self.result = result
        self.awaited = False

    def __repr__(self) -> str:
        return f"<sleep of {self.delay_ns / 1e9} s>"


def _nanoseconds(delay: float) -> int:
    """A delay as asyncio takes it: no nan, nothing that cannot be added to a float."""
    if math.isnan(delay):
        raise ValueError("Invalid delay: NaN (not a number)")
    seconds = 0.0 + delay
    return max(1, round(min(seconds, SLEEP_SECONDS_MAX) * 1_000_000_000))


class Ready:
    """An awaitable that has its value already and gives up no turn: entering a
    scope that has nothing to wait for."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


Coroutine: TypeAlias = ActionCall | HelperCall | SleepCall


def defined(name: str, *values: Any) -> HelperCall:
    """A call of one of the definitions that are written in the workflow language
    (`compiler/prelude.py`): `asyncio:<name>` of the graph."""
    return HelperCall(-1, f"{DEFINED}{name}", values)


def take(call: Coroutine) -> None:
    """A coroutine can be awaited once."""
    if call.awaited:
        raise RuntimeError("cannot reuse already awaited coroutine")
    call.awaited = True


def action_stub(action: LinkedAction) -> Callable[..., ActionCall]:
    """What an action's name means inside a graph: calling it records the
    arguments and gives an awaitable."""
    record = action.arguments.record

    def call(*args: Any, **kwargs: Any) -> ActionCall:
        return ActionCall(action, record(args, kwargs))

    call.__name__ = action.name
    return call


def run_action(
    call: object,
    /,
    *,
    retry: object = None,
    timeout: object = None,
    total_timeout: object = None,
) -> PolicedCall:
    """What `self.run_action` is inside a graph."""
    if type(call) is not ActionCall:
        raise TypeError(NO_CALL)
    return PolicedCall(call, call_policy(retry, timeout, total_timeout))


def workflow_stub(workflow: LinkedWorkflow) -> Callable[[], ChildWorkflow]:
    """What a workflow's name means inside a graph. As in another process, the object
    is made without arguments."""
    record = workflow.arguments.record

    def run(*args: Any, **kwargs: Any) -> ChildCall:
        return ChildCall(workflow, record(args, kwargs))

    def make() -> ChildWorkflow:
        return ChildWorkflow(run)

    run.__name__, make.__name__ = f"{workflow.name}.run", workflow.name
    return make
