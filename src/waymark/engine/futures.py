"""Futures and tasks as the machine holds them, and the numbers it speaks in.

Everything here is a small integer or holds only such. The numbers are part of
the interface that a twin of the machine in another language keeps.

A future is PENDING, then RESOLVED, ERROR or CANCELLED once, and never goes back.
There are four kinds: `Future` itself (somebody ends it by name), `Task` (a stack
of frames), `Call` (a task that is just an action or a sleep) and `Gather`. What a
frame awaits directly, an action or a sleep, has no future of its own: the outcome
goes to the task, by the key `~task` (`-1 - task`), so that the commonest await of
all costs no object.

A future is *exposed* when code holds an object for it. The machine forgets it as
soon as it is over: the object keeps how it ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .flat import FlatFunction

# Requests
IDLE, EVALUATE, RECEIVE, THROW, RESULT, CATCH = range(6)
DROP, DONE, FAILED, COLLECT, FIRST, FORGET = range(6, 12)
ENDED, CALLBACK, CUT = range(12, 15)

# States of a future
PENDING, RESOLVED, ERROR, CANCELLED = range(4)

# What a task waits for, besides a future's number
NOTHING, DIRECT = -1, -2

# Kinds of what may become a task or a gather's child; the argument of each
CHILD_EFFECT = 0  # none
CHILD_SLEEP = 1  # the delay in ns
CHILD_HELPER = 2  # the function
CHILD_FAILED = 3  # none; a coroutine that only raises, its error kept by its number
CHILD_FUTURE = 4  # a future that exists and is pending
CHILD_OVER = 5  # plus its state: one that is over; what FIRST calls it

# Commands, each with a number and a detail
START_EFFECT = 0  # effect, the key of whoever waits for it
START_TIMER = 1  # timer, deadline in ns
CANCEL_EFFECT = 2  # effect
DROP_TIMER = 3  # timer
END = 4  # state of the main task
CANCEL_CHILD = 5  # effect

# Items of the ready queue: (item, target, number, state) of a future that ended
STEP, BEGIN_CALL, END_CALL, CHILD_DONE, CALL_BACK, STOP = range(6)


class MachineError(Exception):
    """An input that cannot happen in this state. Nothing was changed."""


class Future:
    """What all kinds share. `waiters` are pairs for the ready queue, scheduled
    with the future's number and state when it ends. `message` names what `cancel`
    was told, -1 for nothing."""

    message = -1
    exposed = True

    def __init__(self) -> None:
        self.state = PENDING
        self.waiters: tuple[tuple[int, int], ...] = ()

    def __repr__(self) -> str:
        state = ("pending", "resolved", "error", "cancelled")[self.state]
        return f"<{type(self).__name__} {state}>"


class Plain(Future):
    """A future that is nothing else: whoever holds its object ends it."""


class Task(Future):
    """A stack of frames. The top frame is `frame`, `function`, `pc`; `callers`
    holds those below. `waiting` is the number of a future, NOTHING or DIRECT;
    then `effect` or `timer` says for what, `woken` how it ended and `why` with
    which message if it was cancelled. `fresh` is True until the first step: a
    cancellation then cannot be caught. `cancels` counts the requests."""

    # Defaults stand in the class, so that a new task sets only what it must.
    pc = 0
    callers: list[tuple[int, FlatFunction, int]] | None = None
    waiting = NOTHING
    woken = PENDING
    why = -1
    effect = -1
    timer = -1
    must_cancel = False
    fresh = True
    exposed = False
    cancels = 0

    def __init__(self, number: int, frame: int, function: FlatFunction, ordinal: int) -> None:
        self.state = PENDING
        self.waiters = ()
        self.number = number
        self.frame = frame
        self.function = function
        self.ordinal = ordinal


class Call(Future):
    """A task that is just an action (`delay_ns` negative) or a sleep. `outcome` is
    its state to be, between its end and its turn."""

    effect = -1
    timer = -1
    outcome = PENDING
    must_cancel = False
    exposed = False
    cancels = 0

    def __init__(self, delay_ns: int) -> None:
        self.state = PENDING
        self.waiters = ()
        self.delay_ns = delay_ns


class Gather(Future):
    """`children` are the numbers of those that were pending when it began;
    `missing` counts all that have not reported."""

    cancel_requested = False

    def __init__(self, children: list[int], missing: int, collects: bool) -> None:
        self.state = PENDING
        self.waiters = ()
        self.children = children
        self.missing = missing
        self.collects = collects
