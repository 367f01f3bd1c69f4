"""Cancellation on the machine's integers, as CPython 3.13's `cancel()` methods.

A request goes from a task to what it waits for, from a gather to its children,
and ends a plain future at once. A task that waits for nothing that can still be
cancelled is marked, and gets the error with its next step. A child run is asked to
cancel itself, and waited for: how it ends is the outcome. `message` is a number
that the evaluator knows; it travels to whoever raises the CancelledError.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .futures import (
    BEGIN_CALL,
    CANCEL_CHILD,
    CANCEL_EFFECT,
    CANCELLED,
    DROP_TIMER,
    END_CALL,
    ENDED,
    NOTHING,
    STEP,
    Call,
    Gather,
    Task,
)

if TYPE_CHECKING:
    from .machine import Machine

__all__ = ["BEGIN_CALL", "cancel", "cancel_wait", "stop_waiting", "uncancel", "wind_down"]


def cancel(machine: Machine, number: int, message: int = -1) -> bool:
    """Cancel a future of any kind: True when it was heard."""
    future = machine.futures.get(number)
    if future is None or future.state:
        return False
    match future:
        case Task():
            future.cancels += 1
            if not cancel_wait(machine, future, message):
                future.must_cancel = True
                future.message = message
        case Call():
            future.cancels += 1
            _cancel_call(machine, number, future, message)
        case Gather():
            heard = [cancel(machine, child, message) for child in future.children]
            future.cancel_requested = future.cancel_requested or any(heard)
            return any(heard)
        case _:
            future.message = message
            machine.end(number, future, CANCELLED)
            machine.ask((ENDED, CANCELLED, number, message))
    return True


def cancel_wait(machine: Machine, task: Task, message: int) -> bool:
    """Cancel what a task waits for, if that can still be."""
    if task.waiting == NOTHING or task.woken:
        return False
    if task.waiting >= 0:
        return cancel(machine, task.waiting, message)
    if _is_child(machine, task.effect):
        return True
    stop_waiting(machine, task.effect, task.timer)
    task.woken, task.why = CANCELLED, message
    machine.soon((STEP, task.number, -1, CANCELLED))
    return True


def _cancel_call(machine: Machine, number: int, call: Call, message: int) -> None:
    """A call that runs is stopped; one that has not had its first turn, or whose
    end is due, ends as cancelled in its next turn."""
    if call.outcome == CANCELLED:
        return
    if _is_child(machine, call.effect):
        return
    call.message = message
    if not call.outcome and (call.effect >= 0 or call.timer >= 0):
        stop_waiting(machine, call.effect, call.timer)
        call.outcome = CANCELLED
        machine.soon((END_CALL, number, -1, CANCELLED))
    else:
        call.must_cancel = True


def _is_child(machine: Machine, effect: int) -> bool:
    """Ask a child run to cancel itself; False for any other effect."""
    children = machine.children
    if children is None or effect not in children or effect not in machine.effects:
        return False
    machine.commands.append((CANCEL_CHILD, effect, -1))
    return True


def uncancel(machine: Machine, number: int) -> int:
    """Take one request back. None left: a pending error is not raised any more."""
    task = machine.futures[number]
    assert isinstance(task, Task | Call)
    if task.cancels > 0:
        task.cancels -= 1
        if not task.cancels:
            task.must_cancel = False
    return task.cancels


def stop_waiting(machine: Machine, effect: int, timer: int) -> None:
    """Tell the outside that an action or a timer is of no more use."""
    if machine.effects.pop(effect, None) is not None:
        machine.commands.append((CANCEL_EFFECT, effect, -1))
    if machine.timers.pop(timer, None) is not None:
        machine.commands.append((DROP_TIMER, timer, -1))


def wind_down(machine: Machine) -> set[int]:
    """The main task is over: cancel the others, as `asyncio.run` does. Returns
    those that have to end before the run may."""
    left = [
        number
        for number, future in machine.futures.items()
        if not future.state and isinstance(future, Task | Call)
    ]
    for number in left:
        cancel(machine, number)
    return {number for number in left if not machine.futures[number].state}
