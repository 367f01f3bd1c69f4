"""Futures and tasks as the machine holds them, and the numbers it speaks in.

Everything here is a small integer or holds only such. The numbers are part of
the interface that a twin of the machine in another language keeps.
"""

from __future__ import annotations

# Requests
IDLE, EVALUATE, RECEIVE, THROW, RESULT, CATCH, ENTER = range(7)
DROP, DONE, FAILED, SLEPT, COLLECT, FIRST, FORGET = range(7, 14)

# States of a future
PENDING, RESOLVED, ERROR, CANCELLED = range(4)

# Kinds of a future
TASK, CALL, WAIT, GATHER = range(4)

# Kinds of a child of a gather; the argument of each
CHILD_EFFECT = 0  # none
CHILD_SLEEP = 1  # the delay in ns
CHILD_HELPER = 2  # the function
CHILD_FUTURE = 3  # a future that exists

# Commands, each with a number and a detail
START_EFFECT = 0  # effect, its future
START_TIMER = 1  # timer, deadline in ns
CANCEL_EFFECT = 2  # effect, node
DROP_TIMER = 3  # timer
END = 4  # state of the main task


class Future:
    """One future. `waiters` are items for the ready queue when it ends.

    A CALL or WAIT carries its `effect` or `timer` once begun, and before that
    `slot` (the evaluator's handle of the call) and `delay_ns` (negative for an
    action). A GATHER has `children` (repeated where one awaitable stood twice).
    """

    __slots__ = (
        "cancel_requested",
        "children",
        "collects",
        "delay_ns",
        "effect",
        "kind",
        "missing",
        "node",
        "outcome",
        "slot",
        "state",
        "timer",
        "waiters",
    )

    def __init__(self, kind: int, node: int, slot: int = -1, delay_ns: int = -1) -> None:
        self.kind = kind
        self.node = node
        self.slot = slot
        self.delay_ns = delay_ns
        self.state = PENDING
        self.outcome = PENDING  # of a CALL, between its end and its turn
        self.waiters: tuple[tuple[int, int, int], ...] = ()
        self.effect = -1
        self.timer = -1
        self.children: tuple[int, ...] = ()
        self.missing = 0
        self.collects = False
        self.cancel_requested = False

    def __repr__(self) -> str:
        kind = ("task", "call", "wait", "gather")[self.kind]
        state = ("pending", "done", "error", "cancelled")[self.state]
        return f"<{kind} {state} node={self.node} effect={self.effect} timer={self.timer}>"


class Task:
    """A stack of frames. The top frame is `frame`, `function`, `pc`; `callers`
    holds those below. `waiting` is the future it waits for, or -1; `fresh` is
    True until its first step (a cancellation then cannot be caught)."""

    __slots__ = ("callers", "frame", "fresh", "function", "future", "must_cancel", "pc", "waiting")

    def __init__(self, future: int, frame: int, function: int) -> None:
        self.future = future
        self.frame = frame
        self.function = function
        self.pc = 0
        self.callers: list[tuple[int, int, int]] = []
        self.waiting = -1
        self.must_cancel = False
        self.fresh = True

    def __repr__(self) -> str:
        return f"<task {self.future} frame={self.frame} pc={self.pc} waiting={self.waiting}>"
