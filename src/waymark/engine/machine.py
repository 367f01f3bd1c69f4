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

    request = machine.poll()
    while request != IDLE:
        ...do what is asked, with machine.frame, .pc, .future, .child, .callee...
        request = the answer that the table below names, or machine.poll()

Each answer returns the next request. Commands for the outside world gather in `commands` meanwhile.

Rules
-----

1.  Effects, futures, frames and timers are numbered from 0 in the order in which
    they come to be; the main task is future 0. The same inputs give the same
    numbers.
2.  A task's first step, the wake-up of a waiter and the callback of a gather are
    each an item of the ready queue, scheduled exactly where CPython calls
    `call_soon`. This is what makes interleavings equal.
3.  An action that a frame awaits is waited for directly (see `futures`). One
    given to `gather` is a task whose coroutine is that action: its start and its
    end take a turn of the queue each, but it needs no frame.
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
EVALUATE    frame, pc               proceed | test | leave | wait_* | raised
RECEIVE     frame, pc, future       `received` (the state), then proceed | raised
THROW       frame, future           raised (a cancellation enters the frame)
RESULT      frame, pc, callee       proceed (bind what the helper returned)
CATCH       frame, child            none (cut the handling stack to child, push)
DROP        frame                   none (an exception left the frame)
DONE        callee, future          none (keep the frame's result by future)
FAILED      future                  none (keep the exception by future)
COLLECT     future                  `collected`: list the children's results
FIRST       future, child, frame    none (keep child's error by future; frame is
                                    the child's state, CANCELLED has no error)
FORGET      future                  none (nobody will ask for it again)
==========  ======================  ==============================================

`future` is a key: a future's number, or `~task` for what a task awaits directly.
"""

from __future__ import annotations

import struct
import zlib
from collections import deque
from collections.abc import Sequence

from .flat import FlatFunction
from .futures import (
    CANCEL_EFFECT,
    CANCELLED,
    CATCH,
    CHILD_FUTURE,
    CHILD_HELPER,
    CHILD_SLEEP,
    COLLECT,
    DIRECT,
    DONE,
    DROP,
    DROP_TIMER,
    END,
    ERROR,
    EVALUATE,
    FAILED,
    FIRST,
    FORGET,
    IDLE,
    NOTHING,
    PENDING,
    RECEIVE,
    RESOLVED,
    RESULT,
    START_EFFECT,
    START_TIMER,
    THROW,
    Call,
    Future,
    Gather,
    Task,
)

# Items of the ready queue
_STEP, _BEGIN_CALL, _END_CALL, _CHILD_DONE, _STOP = range(5)

_COUNTERS = struct.Struct("<4q").pack


class MachineError(Exception):
    """An input that cannot happen in this state. Nothing was changed."""


class Machine:
    """One run's control state. See the head of this file."""

    # Defaults stand in the class, so that a new run sets only what it must.
    now_ns = 0
    frames = 0
    next_future = 0
    next_effect = 0
    next_timer = 0
    main_state = PENDING
    ended = False
    task: Task | None = None
    frame = -1
    pc = -1
    future = -1
    child = -1
    callee = -1
    _first = IDLE  # what the next poll returns
    #: Items of the ready queue, None while there has been none.
    ready: deque[tuple[int, int, int]] | None = None
    _requests: list[tuple[int, int, int, int]] | None = None
    _turn = 0  # items left in this iteration of the loop
    _stopping = False
    _winding: set[int] | None = None

    def __init__(self, functions: Sequence[FlatFunction]) -> None:
        self.functions = functions
        self.futures: dict[int, Future] = {}
        self.effects: dict[int, int] = {}  # pending effect -> key
        self.timers: dict[int, tuple[int, int]] = {}  # pending timer -> (key, deadline)
        self.commands: list[tuple[int, int, int]] = []

    # Inputs

    def start(self, now_ns: int) -> None:
        """Begin: the main task, frame 0 of function 0, takes its first turn."""
        if self.next_future:
            raise MachineError("started twice")
        self.now_ns = now_ns
        self.task = task = self._new_task(0)
        task.fresh = False

    def settle(self, effect: int, ok: bool, now_ns: int) -> int | None:
        """An effect ended. Returns the key to keep its outcome by, None when it
        was over already."""
        if not 0 <= effect < self.next_effect or self.task is not None:
            raise MachineError(f"no effect {effect}, or another input is being run")
        key = self.effects.pop(effect, None)
        if key is not None:
            self._complete(key, RESOLVED if ok else ERROR, now_ns)
        return key

    def fire(self, timer: int, now_ns: int) -> int | None:
        """A timer's deadline has come. None when it was dropped."""
        if not 0 <= timer < self.next_timer or self.task is not None:
            raise MachineError(f"no timer {timer}, or another input is being run")
        if timer not in self.timers:
            return None
        key, deadline = self.timers[timer]
        if now_ns < deadline:
            raise MachineError(f"timer {timer} is due at {deadline}, not at {now_ns}")
        del self.timers[timer]
        self._complete(key, RESOLVED, now_ns)
        return key

    def _complete(self, key: int, state: int, now_ns: int) -> None:
        """Between inputs the ready queue is empty, so the turns that this leads to
        (a task that waited directly, the end of a call, its gather's callback) are
        taken here and now."""
        self.now_ns = max(self.now_ns, now_ns)
        if key < 0:
            task = self._task(~key)
            task.woken, task.waiting = state, NOTHING
            self.task, self.frame, self.pc = task, task.frame, task.pc
            self.future, self._first = key, RECEIVE
            return
        call = self._call(key)
        waiters = call.waiters
        if len(waiters) == 1 and waiters[0][0] == _CHILD_DONE and not self._winding:
            call.state, call.waiters = state, ()
            self._child_done(waiters[0][1], key)
        else:
            self._end(key, call, state)

    # The loop

    def poll(self) -> int:
        """Run until the evaluator is needed; IDLE when nothing is ready."""
        if self._first:
            request, self._first = self._first, IDLE
            return request
        while True:
            if self._requests:
                request, self.frame, self.future, self.child = self._requests.pop(0)
                return request
            task = self.task
            if task is not None:
                self.frame, self.pc = task.frame, task.pc
                return EVALUATE
            ready = self.ready
            if not self._turn:
                self._turn = len(ready) if ready else 0
                if self._stopping:
                    self._wind_down()
                    continue
            if not ready:
                if self.main_state and not self._winding and not self.ended:
                    self._finish()
                return IDLE
            self._turn -= 1
            item, number, child = ready.popleft()
            if item == _STEP:
                request = self._step(self._task(number))
                if request:
                    return request
            else:
                self._take(item, number, child)

    def _take(self, item: int, number: int, child: int) -> None:
        """A turn of the ready queue other than a task's step."""
        if item == _CHILD_DONE:
            self._child_done(number, child)
        elif item == _STOP:
            self._stopping = True
        elif item == _END_CALL:
            call = self._call(number)
            self._end(number, call, call.outcome)
        else:
            call = self._call(number)
            if call.cancel_requested:
                self._end(number, call, CANCELLED)
            elif call.delay_ns < 0:
                call.effect = self._start_effect(number)
            elif call.delay_ns:
                call.timer = self._start_timer(number, call.delay_ns)
            else:
                call.outcome = RESOLVED
                self._soon((_END_CALL, number, -1))

    def _step(self, task: Task) -> int:
        """A task's turn: it begins, or goes on with what it waited for."""
        self.task = task
        self.frame, self.pc = task.frame, task.pc
        waiting, task.waiting = task.waiting, NOTHING
        self.future = waiting if waiting >= 0 else ~task.number
        if task.must_cancel:
            task.must_cancel = False
            return THROW
        if waiting == DIRECT:
            return RECEIVE if task.woken != CANCELLED else THROW
        if waiting >= 0:
            return RECEIVE
        task.fresh = False
        return IDLE

    # Answers

    def current(self) -> Task:
        """The task whose frame is being evaluated."""
        if self.task is None:
            raise MachineError("nothing is being evaluated")
        return self.task

    def proceed(self) -> int:
        """The evaluation succeeded: go on with the next operation."""
        task = self.current()
        self.pc = task.pc = task.function.nexts[task.pc]
        return EVALUATE

    def test(self, truth: bool) -> int:
        """The answer of a TEST, NEXT or MATCH."""
        task = self.current()
        function = task.function
        self.pc = task.pc = (function.nexts if truth else function.arguments)[task.pc]
        return EVALUATE

    def leave(self) -> int:
        """The top frame returns: RESULT to its caller or DONE as the task's own."""
        task = self.current()
        self.callee = task.frame
        if task.callers:
            task.frame, task.function, task.pc = task.callers.pop()
            self.frame, self.pc = task.frame, task.pc
            return RESULT
        self.future = task.number
        self._end_task(task, RESOLVED)
        return DONE

    def raised(self, cancelled: bool) -> int:
        """The evaluation raised (`cancelled`: a CancelledError)."""
        task = self.current()
        while True:
            function = task.function
            catch = -1 if task.fresh else function.catches[task.pc]
            if catch >= 0:
                task.pc, depth = function.handlers[catch]
                self._ask((CATCH, task.frame, -1, depth))
                return self.poll()
            self._ask((DROP, task.frame, -1, -1))
            if not task.callers:
                self._ask((FAILED, -1, task.number, -1))
                self._end_task(task, CANCELLED if cancelled else ERROR)
                return self.poll()
            task.frame, task.function, task.pc = task.callers.pop()

    def wait_effect(self) -> int:
        """The top frame awaits an action; its call is known by `~task`."""
        task = self.current()
        task.effect = self._start_effect(~task.number)
        return self._suspend(task, DIRECT)

    def wait_sleep(self, delay_ns: int) -> int:
        """The top frame sleeps; 0 is a bare turn of the queue."""
        task = self.current()
        if delay_ns:
            task.timer = self._start_timer(~task.number, delay_ns)
            return self._suspend(task, DIRECT)
        task.waiting, task.woken, self.task = DIRECT, RESOLVED, None
        self._soon((_STEP, task.number, -1))
        return self.poll()

    def wait_helper(self, function: int) -> int:
        """The top frame calls a helper, whose frame runs on the same task. Returns
        the frame's number, and the next request is EVALUATE."""
        task = self.current()
        if task.callers is None:
            task.callers = []
        task.callers.append((task.frame, task.function, task.pc))
        self.frame = task.frame = self.frames
        task.function = self.functions[function]
        self.pc = task.pc = 0
        self.frames += 1
        return task.frame

    def wait_future(self, number: int) -> int:
        """The top frame awaits a future; one that is over is received at once."""
        task = self.current()
        future = self.futures[number]
        if future.state:
            self._ask((RECEIVE, task.frame, number, -1))
            return self.poll()
        future.waiters += ((_STEP, task.number),)
        return self._suspend(task, number)

    def _suspend(self, task: Task, waiting: int) -> int:
        task.waiting, task.woken, self.task = waiting, PENDING, None
        if task.must_cancel and self._cancel_wait(task):
            task.must_cancel = False
        if self.ready or self._requests or self._stopping or self.main_state:
            return self.poll()
        self._turn = 0
        return IDLE

    def received(self, key: int) -> int:
        """The evaluator takes what `key` holds; returns the state."""
        if key < 0:
            return self._task(~key).woken
        future = self.futures.pop(key)
        if isinstance(future, Gather):
            for child in dict.fromkeys(future.children):
                if child in self.futures and self.futures[child].state:
                    self._forget(child)
        return future.state

    def collected(self, number: int) -> list[tuple[int, int]]:
        """(future, state) of each child of a gather, in the order of the call. The
        children are forgotten: a gather's children belong to it alone."""
        children = self._gather(number).children
        members = [(child, self.futures[child].state) for child in children]
        for child in children:
            self.futures.pop(child, None)
        return members

    def gather(self, collects: bool, children: Sequence[tuple[int, int]]) -> int:
        """Begin a gather and return its future. Each child is (kind, argument),
        see `CHILD_EFFECT` and the others; new children get the next numbers of
        futures and frames in the order given. Repeated awaitables come as
        CHILD_FUTURE of the first."""
        numbers = [
            argument if kind == CHILD_FUTURE else self._new_child(kind, argument)
            for kind, argument in children
        ]
        unique = dict.fromkeys(numbers)
        number = self.next_future
        self.next_future = number + 1
        outer = self.futures[number] = Gather(tuple(numbers), len(unique), collects)
        waiter = ((_CHILD_DONE, number),)
        over: list[int] = []
        for child in unique:
            future = self.futures[child]
            if future.state:
                over.append(child)
            else:
                future.waiters = future.waiters + waiter if future.waiters else waiter
        for child in over:
            self._child_done(number, child)
        if not unique:
            self._collect(number, outer)
        return number

    # Tasks and futures

    def _soon(self, item: tuple[int, int, int]) -> None:
        """Schedule an item of the ready queue, CPython's `call_soon`."""
        if self.ready is None:
            self.ready = deque()
        self.ready.append(item)

    def _ask(self, request: tuple[int, int, int, int]) -> None:
        """Let the evaluator do something before anything else happens."""
        if self._requests is None:
            self._requests = []
        self._requests.append(request)

    def _task(self, number: int) -> Task:
        found = self.futures[number]
        if not isinstance(found, Task):
            raise MachineError(f"future {number} is no task")
        return found

    def _call(self, number: int) -> Call:
        found = self.futures[number]
        if not isinstance(found, Call):
            raise MachineError(f"future {number} is no call")
        return found

    def _gather(self, number: int) -> Gather:
        found = self.futures[number]
        if not isinstance(found, Gather):
            raise MachineError(f"future {number} is no gather")
        return found

    def _new_task(self, function: int) -> Task:
        number, frame = self.next_future, self.frames
        self.next_future, self.frames = number + 1, frame + 1
        task = Task(number, frame, self.functions[function])
        self.futures[number] = task
        return task

    def _new_child(self, kind: int, argument: int) -> int:
        """A task of a gather: a helper, an action or a sleep."""
        if kind == CHILD_HELPER:
            number = self._new_task(argument).number
            self._soon((_STEP, number, -1))
            return number
        number = self.next_future
        self.next_future = number + 1
        self.futures[number] = Call(argument if kind == CHILD_SLEEP else -1)
        self._soon((_BEGIN_CALL, number, -1))
        return number

    def _start_effect(self, key: int) -> int:
        effect = self.next_effect
        self.next_effect = effect + 1
        self.effects[effect] = key
        self.commands.append((START_EFFECT, effect, key))
        return effect

    def _start_timer(self, key: int, delay_ns: int) -> int:
        timer = self.next_timer
        self.next_timer = timer + 1
        deadline = self.now_ns + delay_ns
        self.timers[timer] = (key, deadline)
        self.commands.append((START_TIMER, timer, deadline))
        return timer

    def _end(self, number: int, future: Future, state: int) -> None:
        future.state = state
        for item, target in future.waiters:
            self._soon((item, target, number))
        future.waiters = ()
        if self._winding:
            self._winding.discard(number)

    def _end_task(self, task: Task, state: int) -> None:
        self.task = None
        self._end(task.number, task, state)
        if task.number == 0:
            self.main_state = state
            if len(self.futures) > 1:
                self._soon((_STOP, 0, -1))

    def _forget(self, number: int) -> None:
        """Nobody will ask for this future again."""
        del self.futures[number]
        self._ask((FORGET, -1, number, -1))

    # Gather

    def _child_done(self, number: int, child: int) -> None:
        """CPython's `_done_callback` of gather."""
        if number not in self.futures:
            # Its receiver has forgotten the children that were over by then.
            if child in self.futures:
                self._forget(child)
            return
        outer = self._gather(number)
        if outer.state:
            return
        outer.missing -= 1
        state = self.futures[child].state
        if state != RESOLVED and not outer.collects:
            self._ask((FIRST, state, number, child))
            self._end(number, outer, ERROR)
        elif outer.missing == 0:
            self._collect(number, outer)

    def _collect(self, number: int, outer: Gather) -> None:
        if outer.cancel_requested:
            self._ask((FIRST, CANCELLED, number, -1))
            self._end(number, outer, ERROR)
        else:
            self._ask((COLLECT, -1, number, -1))
            self._end(number, outer, RESOLVED)

    # Cancellation

    def _cancel(self, number: int) -> bool:
        """CPython's `cancel()` of a task or future: True when it was heard."""
        future = self.futures[number]
        if future.state:
            return False
        match future:
            case Task():
                future.must_cancel = not self._cancel_wait(future)
            case Call():
                self._cancel_call(number, future)
            case Gather():
                heard = [self._cancel(child) for child in dict.fromkeys(future.children)]
                future.cancel_requested = future.cancel_requested or any(heard)
                return any(heard)
            case _:
                raise MachineError(f"future {number} is of no known kind")
        return True

    def _cancel_wait(self, task: Task) -> bool:
        """Cancel what a task waits for, if that can still be."""
        if task.waiting == NOTHING or task.woken:
            return False
        if task.waiting >= 0:
            return self._cancel(task.waiting)
        self._stop_waiting(task.effect, task.timer)
        task.woken = CANCELLED
        self._soon((_STEP, task.number, -1))
        return True

    def _cancel_call(self, number: int, call: Call) -> None:
        """A call that has not had its first turn ends in it; one that runs is
        stopped; one whose end is due ends as cancelled all the same."""
        call.cancel_requested = True
        if call.outcome:
            call.outcome = CANCELLED
        elif call.effect >= 0 or call.timer >= 0:
            self._stop_waiting(call.effect, call.timer)
            call.outcome = CANCELLED
            self._soon((_END_CALL, number, -1))

    def _stop_waiting(self, effect: int, timer: int) -> None:
        """Tell the outside that an action or a timer is of no more use."""
        if self.effects.pop(effect, None) is not None:
            self.commands.append((CANCEL_EFFECT, effect, -1))
        if self.timers.pop(timer, None) is not None:
            self.commands.append((DROP_TIMER, timer, -1))

    def _wind_down(self) -> None:
        """The main task is over: cancel the others, as `asyncio.run` does."""
        self._stopping = False
        self._winding = {
            number
            for number, future in self.futures.items()
            if not future.state and not isinstance(future, Gather)
        }
        for number in sorted(self._winding):
            self._cancel(number)

    def _finish(self) -> None:
        self.ended = True
        for effect in list(self.effects):
            self._stop_waiting(effect, -1)
        for timer in list(self.timers):
            self._stop_waiting(-1, timer)
        self.commands.append((END, self.main_state, -1))

    # Digest

    def digest(self) -> int:
        """A signed 32-bit checksum of the counters and of what is pending."""
        counters = _COUNTERS(self.next_future, self.next_effect, self.next_timer, self.frames)
        checksum = zlib.crc32(counters)
        if not self.ended:
            numbers: list[int] = []
            for number, future in self.futures.items():
                numbers += (number, future.state)
                if isinstance(future, Task) and not future.state:
                    numbers += (future.frame, future.pc, future.waiting, future.woken)
                    for frame, _, pc in future.callers or ():
                        numbers += (frame, pc)
            checksum = zlib.crc32(struct.pack(f"<{len(numbers)}q", *numbers), checksum)
        return checksum - (1 << 31)
