"""The control part of the engine: a deterministic asyncio of graph frames.

Theory of operation
-------------------

A `Machine` is one run. It knows *tasks* (each a stack of frames over flat
functions), *futures*, *timers*, cancellation and one FIFO *ready queue*, with
the semantics of CPython 3.13's asyncio. It never sees a value: whatever has one
(evaluating code, binding an outcome, collecting results) is asked of the
evaluator. All it holds, takes and gives are small integers, so that a twin in
another language can take its place behind the same methods.

The host delivers one input (`start`, `settle`, `fire`), then drives::

    while (request := machine.poll()) != IDLE:
        ...do what is asked, with machine.frame, .pc, .future, .child, .callee...
        ...answer it, where the table below names an answer...

Commands for the outside world gather in `commands` meanwhile.

Rules
-----

1.  Effects, futures, frames and timers are numbered from 0 in the order in which
    they come to be; a task has the number of its future, the main task 0. The
    same inputs give the same numbers.
2.  A task's first step, the wake-up of a waiter and the callback of a gather are
    each an item of the ready queue, scheduled exactly where CPython calls
    `call_soon`. This is what makes interleavings equal.
3.  An action awaited by a frame is a future that the frame waits for (WAIT). One
    given to `gather` is a task whose coroutine is that action (CALL): its start
    and its end take a turn of the queue each, but it needs no frame.
4.  Time is what the last input said; it never goes back.
5.  An illegal input raises `MachineError` and changes nothing. A late input for
    an effect or a timer that is over is legal and does nothing.
6.  When the main task has ended and the loop's iteration is through, all tasks
    that still run are cancelled in the order of their numbers (`asyncio.run`
    has no order to offer), run to their own ends, and only then the run ends.

Requests and their answers
--------------------------

==========  ======================  ==============================================
request     with                    answer
==========  ======================  ==============================================
EVALUATE    frame, pc               proceed | test | wait_* | raised
RECEIVE     frame, pc, future       proceed | raised, and `received` (bind outcome)
THROW       frame                   raised (a cancellation enters the frame)
RESULT      frame, pc, callee       proceed (bind what the helper returned)
CATCH       frame, child            none (cut the handling stack to child, push)
ENTER       frame, child            none (make the frame of the call in slot child)
DROP        frame                   none (an exception left the frame)
DONE        callee, future          none (keep the frame's result by future)
FAILED      future                  none (keep the exception by future)
SLEPT       future, child           none (the future's result is the sleep's)
COLLECT     future                  none (list the results of `members`)
FIRST       future, child, frame    none (keep child's error by future; frame is
                                    the child's state, CANCELLED has no error)
FORGET      future                  none (nobody will ask for it again)
==========  ======================  ==============================================

Futures
-------

PENDING goes to RESOLVED, ERROR or CANCELLED once, and never back. Kinds: TASK
(a stack of frames), CALL (a task that is just an action or a sleep), WAIT (what
a frame waits for directly), GATHER.
"""

from __future__ import annotations

import struct
import zlib
from collections import deque
from collections.abc import Sequence

from .flat import FlatFunction, Op
from .futures import (
    CALL,
    CANCEL_EFFECT,
    CANCELLED,
    CATCH,
    CHILD_FUTURE,
    CHILD_HELPER,
    CHILD_SLEEP,
    COLLECT,
    DONE,
    DROP,
    DROP_TIMER,
    END,
    ENTER,
    ERROR,
    EVALUATE,
    FAILED,
    FIRST,
    FORGET,
    GATHER,
    IDLE,
    PENDING,
    RECEIVE,
    RESOLVED,
    RESULT,
    SLEPT,
    START_EFFECT,
    START_TIMER,
    TASK,
    THROW,
    WAIT,
    Future,
    Task,
)

# Items of the ready queue
_STEP, _BEGIN_CALL, _END_CALL, _CHILD_DONE, _STOP = range(5)

_OP_JUMP, _OP_LEAVE = int(Op.JUMP), int(Op.LEAVE)


class MachineError(Exception):
    """An input that cannot happen in this state. Nothing was changed."""


class Machine:
    """One run's control state. See the head of this file."""

    __slots__ = (
        "_next_future",
        "_requests",
        "_stopping",
        "_turn",
        "_winding",
        "callee",
        "child",
        "commands",
        "effects",
        "ended",
        "frame",
        "frames",
        "functions",
        "future",
        "futures",
        "main_state",
        "next_effect",
        "next_timer",
        "now_ns",
        "pc",
        "ready",
        "task",
        "tasks",
        "timers",
    )

    def __init__(self, functions: Sequence[FlatFunction]) -> None:
        self.functions = functions
        self.futures: dict[int, Future] = {}
        self.tasks: dict[int, Task] = {}  # by future
        self.effects: dict[int, int] = {}  # pending effect -> future
        self.timers: dict[int, tuple[int, int]] = {}  # pending timer -> (future, deadline)
        self.ready: deque[tuple[int, int, int]] = deque()
        self.commands: list[tuple[int, int, int]] = []
        self.now_ns = 0
        self.frames = 0
        self.next_effect = 0
        self.next_timer = 0
        self.ended = False
        self.main_state = PENDING
        self.task: Task | None = None
        self.frame = self.pc = self.future = self.child = self.callee = -1
        self._requests: deque[tuple[int, int, int, int]] = deque()
        self._next_future = 0
        self._turn = 0  # items left in this iteration of the loop
        self._stopping = False
        self._winding: set[int] = set()

    # Inputs

    def start(self, now_ns: int) -> None:
        """Begin: the main task, frame 0 of function 0, is ready."""
        if self._next_future:
            raise MachineError("started twice")
        self.now_ns = now_ns
        self.frames = 1
        self._new_task(0, 0, -1)

    def settle(self, effect: int, ok: bool, now_ns: int) -> int:
        """An effect ended. Returns its future, -1 when it was over already."""
        if not 0 <= effect < self.next_effect:
            raise MachineError(f"no effect {effect}")
        future = self.effects.pop(effect, -1)
        if future >= 0:
            self._complete(future, RESOLVED if ok else ERROR, now_ns)
        return future

    def fire(self, timer: int, now_ns: int) -> int:
        """A timer's deadline has come. Returns its future, -1 when it was dropped."""
        if not 0 <= timer < self.next_timer:
            raise MachineError(f"no timer {timer}")
        if timer not in self.timers:
            return -1
        future, deadline = self.timers[timer]
        if now_ns < deadline:
            raise MachineError(f"timer {timer} is due at {deadline}, not at {now_ns}")
        del self.timers[timer]
        self._complete(future, RESOLVED, now_ns)
        return future

    def _complete(self, number: int, state: int, now_ns: int) -> None:
        self.now_ns = max(self.now_ns, now_ns)
        future = self.futures[number]
        if future.kind == CALL:
            future.outcome = state
            self.ready.append((_END_CALL, number, -1))
        else:
            self._end(future, state)

    # The loop

    def poll(self) -> int:
        """Run until the evaluator is needed; IDLE when nothing is ready."""
        while True:
            if self._requests:
                request, self.frame, self.future, self.child = self._requests.popleft()
                return request
            task = self.task
            if task is not None:
                return self._advance(task)
            if self._turn == 0:
                self._turn = len(self.ready)
                if self._stopping:
                    self._wind_down()
                    continue
            if self.ready:
                self._turn -= 1
                request = self._take(*self.ready.popleft())
                if request != IDLE:
                    return request
                continue
            if self.main_state != PENDING and not self._winding and not self.ended:
                self._finish()
            return IDLE

    def _take(self, item: int, number: int, child: int) -> int:
        """One turn of the ready queue."""
        if item == _STEP:
            return self._step(self.tasks[number])
        if item == _BEGIN_CALL:
            future = self.futures[number]
            if future.cancel_requested:
                self._end_child(number, future, CANCELLED)
            else:
                self._begin(number, future)
        elif item == _END_CALL:
            future = self.futures[number]
            self._end_child(number, future, future.outcome)
        elif item == _CHILD_DONE:
            self._child_done(number, child)
        else:
            self._stopping = True
        return IDLE

    def _step(self, task: Task) -> int:
        """A task's turn: it begins, or goes on with what it waited for."""
        self.task = task
        self.frame, self.pc = task.frame, task.pc
        self.future, task.waiting = task.waiting, -1
        if task.must_cancel:
            task.must_cancel = False
            return THROW
        if task.fresh:
            task.fresh = False
            return IDLE
        if self.futures[self.future].state == CANCELLED:
            self._forget(self.future)
            return THROW
        return RECEIVE

    def _advance(self, task: Task) -> int:
        """Run the top frame up to its next evaluation."""
        function = self.functions[task.function]
        pc = task.pc
        op = function.ops[pc]
        while op == _OP_JUMP:
            pc = function.arguments[pc]
            op = function.ops[pc]
        task.pc = self.pc = pc
        self.frame = task.frame
        return EVALUATE if op != _OP_LEAVE else self._leave(task)

    def _leave(self, task: Task) -> int:
        """The top frame returns, to its caller or as the task's result."""
        self.callee = task.frame
        if task.callers:
            task.frame, task.function, task.pc = task.callers.pop()
            self.frame, self.pc = task.frame, task.pc
            return RESULT
        self.future = task.future
        self._end_task(task, RESOLVED)
        return DONE

    # Answers

    def proceed(self) -> None:
        """The evaluation succeeded: go on with the next operation."""
        if self.task is None:
            raise MachineError("nothing is being evaluated")
        self.task.pc += 1

    def test(self, truth: bool) -> None:
        """The answer of a TEST, NEXT or MATCH."""
        task = self.task
        if task is None:
            raise MachineError("nothing is being evaluated")
        task.pc = task.pc + 1 if truth else self.functions[task.function].arguments[task.pc]

    def raised(self, cancelled: bool) -> None:
        """The evaluation raised (`cancelled`: a CancelledError)."""
        task = self.task
        if task is None:
            raise MachineError("nothing is being evaluated")
        while True:
            function = self.functions[task.function]
            catch = -1 if task.fresh else function.catches[task.pc]
            if catch >= 0:
                task.pc, depth = function.handlers[catch]
                self._requests.append((CATCH, task.frame, -1, depth))
                return
            self._requests.append((DROP, task.frame, -1, -1))
            if not task.callers:
                state = CANCELLED if cancelled else ERROR
                self._requests.append((FAILED, -1, task.future, -1))
                self._end_task(task, state)
                return
            task.frame, task.function, task.pc = task.callers.pop()

    def wait_effect(self, slot: int, node: int) -> None:
        """The top frame awaits an action call."""
        number, future = self._new_future(WAIT, node, slot)
        self._begin(number, future)
        self.wait_future(number)

    def wait_sleep(self, slot: int, delay_ns: int, node: int) -> None:
        """The top frame sleeps; 0 is a bare turn of the queue."""
        number, future = self._new_future(WAIT, node, slot, delay_ns)
        self._requests.append((SLEPT, -1, number, slot))
        if delay_ns:
            self._begin(number, future)
            self.wait_future(number)
            return
        task = self.task
        if task is None:
            raise MachineError("nothing is being evaluated")
        future.state = RESOLVED
        task.waiting, self.task = number, None
        self.ready.append((_STEP, task.future, -1))

    def wait_helper(self, function: int, slot: int) -> None:
        """The top frame calls a helper, whose frame runs on the same task."""
        task = self.task
        if task is None:
            raise MachineError("nothing is being evaluated")
        task.callers.append((task.frame, task.function, task.pc))
        task.frame, task.function, task.pc = self._enter(slot), function, 0

    def wait_future(self, number: int) -> None:
        """The top frame awaits a future; one that is over is received at once."""
        task = self.task
        if task is None:
            raise MachineError("nothing is being evaluated")
        future = self.futures[number]
        if future.state != PENDING:
            self._requests.append((RECEIVE, task.frame, number, -1))
            return
        task.waiting, self.task = number, None
        future.waiters += ((_STEP, task.future, -1),)
        if task.must_cancel and self._cancel(number):
            task.must_cancel = False

    def gather(self, collects: bool, children: Sequence[tuple[int, int, int]], node: int) -> int:
        """Begin a gather and return its future. Each child is (kind, argument,
        slot), see `CHILD_EFFECT` and the others; repeated awaitables come as
        CHILD_FUTURE of the first."""
        ids = []
        for kind, argument, slot in children:
            ids.append(
                argument if kind == CHILD_FUTURE else self._child(kind, argument, slot, node)
            )
        number, outer = self._new_future(GATHER, node)
        outer.children, outer.collects = tuple(ids), collects
        unique = dict.fromkeys(ids)
        outer.missing = len(unique)
        over = []
        for child in unique:
            if self.futures[child].state == PENDING:
                self.futures[child].waiters += ((_CHILD_DONE, number, child),)
            else:
                over.append(child)
        for child in over:
            self._child_done(number, child)
        if not unique:
            self._collect(number, outer)
        return number

    def members(self, number: int) -> list[tuple[int, int]]:
        """(future, state) of each child of a gather, in the order of the call."""
        return [(child, self.futures[child].state) for child in self.futures[number].children]

    def next_future(self) -> int:
        """The number that the next future will get."""
        return self._next_future

    # Tasks and futures

    def _new_future(
        self, kind: int, node: int, slot: int = -1, delay_ns: int = -1
    ) -> tuple[int, Future]:
        number = self._next_future
        self._next_future = number + 1
        future = self.futures[number] = Future(kind, node, slot, delay_ns)
        return number, future

    def _new_task(self, function: int, frame: int, node: int) -> int:
        number, _ = self._new_future(TASK, node)
        self.tasks[number] = Task(number, frame, function)
        self.ready.append((_STEP, number, -1))
        return number

    def _child(self, kind: int, argument: int, slot: int, node: int) -> int:
        """A task of a gather: a helper, an action or a sleep."""
        if kind == CHILD_HELPER:
            return self._new_task(argument, self._enter(slot), node)
        number, _ = self._new_future(CALL, node, slot, argument if kind == CHILD_SLEEP else -1)
        if kind == CHILD_SLEEP:
            self._requests.append((SLEPT, -1, number, slot))
        self.ready.append((_BEGIN_CALL, number, -1))
        return number

    def _enter(self, slot: int) -> int:
        frame = self.frames
        self.frames = frame + 1
        self._requests.append((ENTER, frame, -1, slot))
        return frame

    def _begin(self, number: int, future: Future) -> None:
        """Set an action or a sleep going."""
        if future.delay_ns < 0:
            future.effect = self.next_effect
            self.next_effect += 1
            self.effects[future.effect] = number
            self.commands.append((START_EFFECT, future.effect, number))
        elif future.delay_ns == 0:
            future.outcome = RESOLVED
            self.ready.append((_END_CALL, number, -1))
        else:
            future.timer = self.next_timer
            self.next_timer += 1
            deadline = self.now_ns + future.delay_ns
            self.timers[future.timer] = (number, deadline)
            self.commands.append((START_TIMER, future.timer, deadline))

    def _end(self, future: Future, state: int) -> None:
        future.state = state
        self.ready.extend(future.waiters)
        future.waiters = ()

    def _end_child(self, number: int, future: Future, state: int) -> None:
        """A task ends, with frames or without."""
        self._winding.discard(number)
        self._end(future, state)

    def _end_task(self, task: Task, state: int) -> None:
        self.task = None
        del self.tasks[task.future]
        self._end_child(task.future, self.futures[task.future], state)
        if task.future == 0:
            self.main_state = state
            self.ready.append((_STOP, 0, -1))

    def _forget(self, number: int) -> None:
        """Nobody will ask for this future again."""
        del self.futures[number]
        self._requests.append((FORGET, -1, number, -1))

    def received(self, number: int) -> None:
        """The evaluator has bound the future's outcome; nobody else waits."""
        future = self.futures.pop(number)
        for child in dict.fromkeys(future.children):
            if child in self.futures and self.futures[child].state != PENDING:
                self._forget(child)

    # Gather

    def _child_done(self, number: int, child: int) -> None:
        """CPython's `_done_callback` of gather."""
        outer = self.futures.get(number)
        if outer is None or outer.state != PENDING:
            if outer is None and child in self.futures:
                self._forget(child)
            return
        outer.missing -= 1
        state = self.futures[child].state
        if not outer.collects and state != RESOLVED:
            self._requests.append((FIRST, state, number, child))
            self._end(outer, ERROR)
        elif outer.missing == 0:
            self._collect(number, outer)

    def _collect(self, number: int, outer: Future) -> None:
        if outer.cancel_requested:
            self._requests.append((FIRST, CANCELLED, number, -1))
            self._end(outer, ERROR)
        else:
            self._requests.append((COLLECT, -1, number, -1))
            self._end(outer, RESOLVED)

    # Cancellation

    def _cancel(self, number: int) -> bool:
        """CPython's `cancel()` of a task or future: True when it was heard."""
        future = self.futures[number]
        if future.state != PENDING:
            return False
        match future.kind:
            case 0:  # TASK
                task = self.tasks[number]
                task.must_cancel = task.waiting < 0 or not self._cancel(task.waiting)
            case 1:  # CALL
                future.cancel_requested = True
                begun = future.effect >= 0 or future.timer >= 0 or future.outcome != PENDING
                if begun and future.outcome == PENDING:
                    self.ready.append((_END_CALL, number, -1))
                    self._stop_waiting(future)
                if begun:
                    future.outcome = CANCELLED
            case 2:  # WAIT
                self._stop_waiting(future)
                self._end(future, CANCELLED)
            case _:  # GATHER
                heard = [self._cancel(child) for child in dict.fromkeys(future.children)]
                future.cancel_requested = future.cancel_requested or any(heard)
                return any(heard)
        return True

    def _stop_waiting(self, future: Future) -> None:
        """Tell the outside that an action or a timer is of no more use."""
        if self.effects.pop(future.effect, -1) >= 0:
            self.commands.append((CANCEL_EFFECT, future.effect, future.node))
        if self.timers.pop(future.timer, None) is not None:
            self.commands.append((DROP_TIMER, future.timer, 0))

    def _wind_down(self) -> None:
        """The main task is over: cancel the others, as `asyncio.run` does."""
        self._stopping = False
        self._winding = {
            number
            for number, future in self.futures.items()
            if future.kind <= CALL and not future.state
        }
        for number in sorted(self._winding):
            self._cancel(number)

    def _finish(self) -> None:
        self.ended = True
        for number in [*self.effects.values(), *(number for number, _ in self.timers.values())]:
            self._stop_waiting(self.futures[number])
        self.commands.append((END, self.main_state, 0))

    # Digest

    def digest(self) -> int:
        """A signed 32-bit checksum of the frames and counters."""
        numbers = [self._next_future, self.next_effect, self.next_timer, self.frames]
        for task in self.tasks.values():
            numbers += (task.future, task.frame, task.function, task.pc, task.waiting)
            for caller in task.callers:
                numbers += caller
        for number, future in self.futures.items():
            numbers += (number, future.state)
        checksum = zlib.crc32(struct.pack(f"<{len(numbers)}q", *numbers))
        return checksum - (1 << 32) if checksum >= 1 << 31 else checksum
