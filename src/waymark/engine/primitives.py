"""What code may do to the machine at once, while a frame is evaluated.

These few operations, `gathers.begin_gather` and those of `cancellation` are all
that the value objects of `concurrency` ask of the machine. Each changes integers
only; whoever calls one keeps the values.
"""

from __future__ import annotations

from .cancellation import cancel, stop_waiting, uncancel
from .futures import CALL_BACK, DIRECT, ERROR, RESOLVED, Call, MachineError, Plain, Task
from .gathers import begin_gather, collected
from .machine import Machine

__all__ = [
    "add_callback",
    "begin_gather",
    "call_at",
    "call_soon",
    "cancel",
    "cancels",
    "collected",
    "drop_timer",
    "is_exposed",
    "new_future",
    "ordinal",
    "release",
    "remove_callback",
    "resolve",
    "spawn",
    "state",
    "take_over",
    "uncancel",
]


def spawn(machine: Machine, kind: int, argument: int) -> int:
    """Begin an exposed task: a helper, an action or a sleep."""
    tasks = machine.tasks
    number = machine.new_child(kind, argument)
    machine.tasks = tasks + 1
    machine.futures[number].exposed = True
    return number


def new_future(machine: Machine) -> int:
    """A future that nothing but `resolve` and `cancel` will end."""
    number = machine.next_future
    machine.next_future = number + 1
    machine.futures[number] = Plain()
    return number


def resolve(machine: Machine, number: int, ok: bool) -> None:
    """End a plain future that is pending; its object knows with what."""
    machine.end(number, machine.futures[number], RESOLVED if ok else ERROR)
    del machine.futures[number]


def state(machine: Machine, number: int) -> int:
    """The state of a future whose object has not heard of its end."""
    return machine.futures[number].state


def cancels(machine: Machine, number: int) -> int:
    """How many requests to cancel a task has had, less those taken back."""
    task = machine.futures[number]
    return task.cancels if isinstance(task, Task | Call) else 0


def ordinal(machine: Machine, number: int) -> int:
    """Which of the run's tasks a helper's task is, counted from 1."""
    task = machine.futures[number]
    if not isinstance(task, Task):
        raise MachineError(f"future {number} is no task")
    return task.ordinal


def add_callback(machine: Machine, number: int, callback: int) -> None:
    """CALLBACK once this pending future is over."""
    machine.futures[number].waiters += ((CALL_BACK, callback),)


def remove_callback(machine: Machine, number: int, callback: int) -> None:
    """Undo `add_callback` while the future is pending."""
    future = machine.futures.get(number)
    if future is not None:
        future.waiters = tuple(w for w in future.waiters if w != (CALL_BACK, callback))


def call_soon(machine: Machine, callback: int) -> None:
    """CALLBACK with a turn of the queue."""
    machine.soon((CALL_BACK, callback, -1, -1))


def call_at(machine: Machine, deadline_ns: int, callback: int) -> int:
    """CALLBACK when the time has come. Returns the timer."""
    if machine.alarms is None:
        machine.alarms = {}
    timer = machine.start_timer(-1, deadline_ns)
    machine.alarms[timer] = callback
    return timer


def drop_timer(machine: Machine, timer: int) -> None:
    """Undo `call_at`."""
    if machine.alarms is not None:
        machine.alarms.pop(timer, None)
    stop_waiting(machine, -1, timer)


def release(machine: Machine, number: int) -> int:
    """The object of a future has taken its end. Returns the requests to cancel that
    it has had. A child of a gather stays for its gather."""
    count = cancels(machine, number)
    if machine.futures[number].exposed:
        del machine.futures[number]
    return count


def is_exposed(machine: Machine, number: int) -> bool:
    """Whether a future is no gather's own child."""
    return machine.futures[number].exposed


def take_over(machine: Machine, now_ns: int, pc: int, effects: int, pending: int) -> None:
    """Begin where a run stands that was all one task in one frame (`straight`): at `pc`,
    with so many effects behind it; it waits for `pending`, or for nothing (-1) while
    what stands there is evaluated."""
    machine.start(now_ns)
    task = machine.current()
    task.pc = machine.pc = pc
    machine.frame = task.frame
    machine.next_effect = effects
    if pending >= 0:
        task.effect, task.waiting, machine.task = pending, DIRECT, None
        machine.effects[pending] = ~task.number
