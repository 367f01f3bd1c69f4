"""Futures and tasks as the machine holds them, and the numbers it speaks in.

Everything here is a small integer or holds only such. The numbers are part of
the interface that a twin of the machine in another language keeps.

A future is PENDING, then RESOLVED, ERROR or CANCELLED once, and never goes back.
There are three kinds: `Task` (a stack of frames), `Call` (a task that is just an
action or a sleep) and `Gather`. What a frame awaits directly, an action or a
sleep, has no future of its own: the outcome goes to the task, by the key `~task`
(`-1 - task`), so that the commonest await of all costs no object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .flat import FlatFunction

# Requests
IDLE, EVALUATE, RECEIVE, THROW, RESULT, CATCH = range(6)
DROP, DONE, FAILED, COLLECT, FIRST, FORGET = range(6, 12)

# States of a future
PENDING, RESOLVED, ERROR, CANCELLED = range(4)

# What a task waits for, besides a future's number
NOTHING, DIRECT = -1, -2

# Kinds of a child of a gather; the argument of each
CHILD_EFFECT = 0  # none
CHILD_SLEEP = 1  # the delay in ns
CHILD_HELPER = 2  # the function
CHILD_FUTURE = 3  # a future that exists

# Commands, each with a number and a detail
START_EFFECT = 0  # effect, the key of whoever waits for it
START_TIMER = 1  # timer, deadline in ns
CANCEL_EFFECT = 2  # effect
DROP_TIMER = 3  # timer
END = 4  # state of the main task


class Future:
    """What all kinds share. `waiters` are pairs for the ready queue, scheduled
    with the future's number when it ends."""

    __slots__ = ("state", "waiters")

    def __init__(self) -> None:
        self.state = PENDING
        self.waiters: tuple[tuple[int, int], ...] = ()

    def __repr__(self) -> str:
        state = ("pending", "resolved", "error", "cancelled")[self.state]
        return f"<{type(self).__name__} {state}>"


class Task(Future):
    """A stack of frames. The top frame is `frame`, `function`, `pc`; `callers`
    holds those below. `waiting` is the number of a future, NOTHING or DIRECT;
    then `effect` or `timer` says for what and `woken` how it ended. `fresh` is
    True until the first step: a cancellation then cannot be caught."""

    # Defaults stand in the class, so that a new task sets only what it must.
    pc = 0
    callers: list[tuple[int, FlatFunction, int]] | None = None
    waiting = NOTHING
    woken = PENDING
    effect = -1
    timer = -1
    must_cancel = False
    fresh = True

    def __init__(self, number: int, frame: int, function: FlatFunction) -> None:
        self.state = PENDING
        self.waiters = ()
        self.number = number
        self.frame = frame
        self.function = function


class Call(Future):
    """A task of a gather that is just an action (`delay_ns` negative) or a sleep.
    `outcome` is its state to be, between its end and its turn."""

    __slots__ = ("cancel_requested", "delay_ns", "effect", "outcome", "timer")

    def __init__(self, delay_ns: int) -> None:
        self.state = PENDING
        self.waiters = ()
        self.delay_ns = delay_ns
        self.effect = -1
        self.timer = -1
        self.outcome = PENDING
        self.cancel_requested = False


class Gather(Future):
    """`children` are futures, one repeated where its awaitable stood twice;
    `missing` counts those that have not reported."""

    __slots__ = ("cancel_requested", "children", "collects", "missing")

    def __init__(self, children: tuple[int, ...], missing: int, collects: bool) -> None:
        self.state = PENDING
        self.waiters = ()
        self.children = children
        self.missing = missing
        self.collects = collects
        self.cancel_requested = False
