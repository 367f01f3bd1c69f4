"""Gather on the machine's integers, as CPython's `gather` and its done callback.

A gather's new children are its own: nobody else knows their numbers, so they stay
in the machine until their gather has collected them, or is over without them.
Children that are exposed leave the machine when they end; what the gather needs
of them, the state, comes with the item of the ready queue.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from .futures import (
    BEGIN_CALL,
    CANCELLED,
    CHILD_DONE,
    CHILD_EFFECT,
    CHILD_FUTURE,
    CHILD_HELPER,
    CHILD_OVER,
    COLLECT,
    ERROR,
    FIRST,
    PENDING,
    RESOLVED,
    START_EFFECT,
    Call,
    Gather,
    MachineError,
)

if TYPE_CHECKING:
    from .machine import Machine

#: Of a child, which is (kind, argument).
_KIND = itemgetter(0)


def begin_gather(machine: Machine, collects: bool, children: Sequence[tuple[int, int]]) -> int:
    """Begin a gather of `children`, each another awaitable, and return its future.
    A child is (kind, argument), see `CHILD_EFFECT` and the others; new children get
    the next numbers of futures and frames in the order given."""
    numbers: list[int] = []
    over: list[tuple[int, int]] = []
    known, tasks = machine.next_future, machine.tasks
    for kind, group in groupby(children, _KIND):
        if kind == CHILD_EFFECT:
            numbers += _new_calls(machine, len(list(group)))
            continue
        for _, argument in group:
            if kind < CHILD_FUTURE:
                if kind == CHILD_HELPER:
                    machine.tasks = tasks + machine.next_future - known
                numbers.append(machine.new_child(kind, argument))
            elif kind == CHILD_FUTURE:
                numbers.append(argument)
            else:
                over.append((argument, kind - CHILD_OVER))
    number = machine.next_future
    machine.tasks = tasks + number - known
    machine.next_future = number + 1
    futures = machine.futures
    outer = futures[number] = Gather(numbers, len(children), collects)
    waiter = ((CHILD_DONE, number),)
    for child in numbers:
        future = futures[child]
        future.waiters = future.waiters + waiter if future.waiters else waiter
    for child, state in over:
        child_done(machine, number, child, state)
    if not children:
        _collect(machine, number, outer)
    return number


def _new_calls(machine: Machine, count: int) -> range:
    """So many calls of actions, which begin in one turn of the queue: nothing stands between
    them there, and that a call begins schedules nothing."""
    number = machine.next_future
    machine.next_future = number + count
    numbers = range(number, number + count)
    machine.futures.update({number: Call(-1) for number in numbers})
    machine.soon((BEGIN_CALL, number, number + count - 1, PENDING))
    return numbers


def begin_calls(machine: Machine, first: int, last: int) -> None:
    """The first turns of neighbours in the queue."""
    futures, effects, commands = machine.futures, machine.effects, machine.commands
    for number in range(first, last + 1):
        call = futures[number]
        if not isinstance(call, Call):
            raise MachineError(f"future {number} is no call")
        if call.must_cancel or call.outcome or call.delay_ns >= 0:
            machine.take_call(number, call)
            continue
        call.effect = effect = machine.next_effect
        machine.next_effect = effect + 1
        effects[effect] = number
        commands.append((START_EFFECT, effect, number))


def child_done(machine: Machine, number: int, child: int, state: int) -> None:
    """CPython's `_done_callback` of gather. `child` is what FIRST calls it."""
    outer = machine.futures.get(number)
    if not isinstance(outer, Gather) or outer.state:
        # It was over before this child was.
        forget_children(machine, [child])
        return
    outer.missing -= 1
    if state != RESOLVED and not outer.collects:
        _fail(machine, number, outer, child, state)
    elif outer.missing == 0:
        _collect(machine, number, outer)


def _collect(machine: Machine, number: int, outer: Gather) -> None:
    if outer.cancel_requested:
        _fail(machine, number, outer, number, CANCELLED)
        return
    machine.ask((COLLECT, -1, number, -1))
    machine.end(number, outer, RESOLVED)


def _fail(machine: Machine, number: int, outer: Gather, child: int, state: int) -> None:
    """The gather ends with the error of `child`, with its own number for one that was
    cancelled as a whole; the others go on by themselves."""
    machine.ask((FIRST, state, number, child))
    machine.end(number, outer, ERROR)
    del machine.futures[number]
    forget_children(machine, outer.children)


def collected(machine: Machine, number: int) -> list[tuple[int, int]]:
    """(future, state) of each child that is the gather's own, in order. They and
    the gather are forgotten."""
    futures = machine.futures
    outer = futures.pop(number)
    assert isinstance(outer, Gather)
    own = [child for child in outer.children if child in futures and not futures[child].exposed]
    return [(child, futures.pop(child).state) for child in own]


def forget_children(machine: Machine, children: Sequence[int]) -> None:
    """Forget those that are over and that nobody else knows."""
    for child in children:
        future = machine.futures.get(child)
        if future is not None and future.state and not future.exposed:
            machine.forget(child)
