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
    given to `gather` or `create_task` is a task whose coroutine is that action:
    its start and its end take a turn of the queue each, but it needs no frame.
4.  Time is what the last input said; it never goes back.
5.  An illegal input raises `MachineError` and changes nothing. A late input for
    an effect or a timer that is over is legal and does nothing.
6.  When the main task has ended and the loop's iteration is through, all tasks
    that still run are cancelled in the order of their numbers (`asyncio.run`
    has no order to offer), run to their own ends, and only then the run ends.
7.  While a frame is evaluated, code may act on the machine at once, by the
    operations of `primitives`. Everything else that asyncio has (groups, timeouts,
    locks, `wait`) is defined over these, see `concurrency`.

Requests and their answers
--------------------------

==========  ======================  ==============================================
request     with                    answer
==========  ======================  ==============================================
EVALUATE    frame, pc               proceed | test | leave | wait_* | raised
RECEIVE     frame, pc, future       proceed | raised; `received` has the state of
                                    what is awaited directly
THROW       frame, future, child    raised (a cancellation enters the frame; child
                                    is its message)
RESULT      frame, pc, callee       proceed (bind what the helper returned)
CATCH       frame, child            none (cut the handling stack to child, push)
DROP        frame                   none (an exception left the frame)
DONE        callee, future          none (keep the frame's result by future)
CUT         callee, future, child   none (the task is cancelled as it returns, with
                                    the message child)
FAILED      future, child           none (keep the exception by future; child is
                                    the task's state)
ENDED       future, frame, child    none (a call or a plain future is over; frame is
                                    its state, child its message)
CALLBACK    child                   none (call what `child` stands for)
COLLECT     future                  `collected` (list the children's results)
FIRST       future, child, frame    none (keep child's error by future; frame is
                                    the child's state)
FORGET      future                  none (nobody will ask for it again)
==========  ======================  ==============================================

`future` is a key: a future's number, or `~task` for what a task awaits directly.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from . import cancellation, gathers
from .flat import FlatFunction
from .futures import (
    BEGIN_CALL,
    CALL_BACK,
    CALLBACK,
    CANCELLED,
    CATCH,
    CHILD_DONE,
    CHILD_FAILED,
    CHILD_HELPER,
    CHILD_SLEEP,
    CUT,
    DIRECT,
    DONE,
    DROP,
    END,
    END_CALL,
    ENDED,
    ERROR,
    EVALUATE,
    FAILED,
    FORGET,
    IDLE,
    NOTHING,
    PENDING,
    RECEIVE,
    RESOLVED,
    RESULT,
    START_EFFECT,
    START_TIMER,
    STEP,
    STOP,
    THROW,
    Call,
    Future,
    MachineError,
    Task,
)

__all__ = ["Machine", "MachineError"]


class Machine:
    """One run's control state. See the head of this file."""

    # Defaults stand in the class, so that a new run sets only what it must.
    now_ns = 0
    frames = 0
    tasks = 0
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
    ready: deque[tuple[int, int, int, int]] | None = None
    #: (request, frame, future, child): what the evaluator is to do before all else.
    requests: list[tuple[int, int, int, int]] | None = None
    #: Pending timers that are not waited for but call back, None while none was.
    alarms: dict[int, int] | None = None
    _turn = 0  # items left in this iteration of the loop
    _stopping = False
    _winding: set[int] | None = None
    #: Effects that are runs of their own: cancelled, they still end by themselves.
    children: set[int] | None = None

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

    def settle(self, effect: int, ok: bool, now_ns: int, cancelled: bool = False) -> int | None:
        """An effect ended, `cancelled` with a CancelledError. Returns the key to keep
        its outcome by, None when it was over already."""
        if not 0 <= effect < self.next_effect or self.task is not None:
            raise MachineError(f"no effect {effect}, or another input is being run")
        key = self.effects.pop(effect, None)
        if key is not None:
            failed = CANCELLED if cancelled and key >= 0 else ERROR
            self._complete(key, RESOLVED if ok else failed, now_ns)
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
        if self.alarms and timer in self.alarms:
            self.now_ns = max(self.now_ns, now_ns)
            self.child, self._first = self.alarms.pop(timer), CALLBACK
        else:
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
        if len(waiters) == 1 and waiters[0][0] == CHILD_DONE and not self._winding:
            call.state, call.waiters = state, ()
            if call.exposed:
                self.ask((ENDED, state, key, -1))
            gathers.child_done(self, waiters[0][1], key, state)
        else:
            self._end_call(key, call, state)

    def stands(self) -> bool:
        """Whether the last input has led to nothing: there is no need to poll."""
        return not (self._first or self.requests or self.ready or self.main_state)

    # The loop

    def poll(self) -> int:
        """Run until the evaluator is needed; IDLE when nothing is ready."""
        if self._first:
            request, self._first = self._first, IDLE
            return request
        while True:
            if self.requests:
                request, self.frame, self.future, self.child = self.requests.pop(0)
                return request
            task = self.task
            if task is not None:
                self.frame, self.pc = task.frame, task.pc
                return EVALUATE
            ready = self.ready
            if not self._turn:
                self._turn = len(ready) if ready else 0
                if self._stopping:
                    self._stopping = False
                    self._winding = cancellation.wind_down(self)
                    continue
            if not ready:
                if self.main_state and not self._winding and not self.ended:
                    self._finish()
                return IDLE
            self._turn -= 1
            item, number, child, state = ready.popleft()
            if item == STEP:
                request = self._step(self._task(number))
            elif item == CALL_BACK:
                self.child, request = number, CALLBACK
            else:
                self._take(item, number, child, state)
                continue
            if request:
                return request

    def _take(self, item: int, number: int, child: int, state: int) -> None:
        """A turn of the ready queue that needs no evaluator."""
        if item == CHILD_DONE:
            gathers.child_done(self, number, child, state)
        elif item == STOP:
            self._stopping = True
        elif item == BEGIN_CALL:
            gathers.begin_calls(self, number, child)
        else:
            self.take_call(number, self._call(number))

    def take_call(self, number: int, call: Call) -> None:
        """A call's turn: it ends if that is due, else it begins."""
        if call.must_cancel or call.outcome:
            self._end_call(number, call, CANCELLED if call.must_cancel else call.outcome)
        elif call.delay_ns < 0:
            call.effect = self._start_effect(number)
        elif call.delay_ns:
            call.timer = self.start_timer(number, self.now_ns + call.delay_ns)
        else:
            call.outcome = RESOLVED
            self.soon((END_CALL, number, -1, RESOLVED))

    def _step(self, task: Task) -> int:
        """A task's turn: it begins, or goes on with what it waited for."""
        self.task = task
        self.frame, self.pc = task.frame, task.pc
        waiting, task.waiting = task.waiting, NOTHING
        self.future = waiting if waiting >= 0 else ~task.number
        interrupted = waiting == DIRECT and task.woken == CANCELLED
        if task.must_cancel or interrupted:
            task.must_cancel = False
            self.child = task.why if interrupted else task.message
            return THROW
        if waiting != NOTHING:
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
        """The top frame returns: RESULT to its caller, or DONE as the task's own,
        or CUT where a cancellation was asked for and never raised."""
        task = self.current()
        self.callee = task.frame
        if task.callers:
            task.frame, task.function, task.pc = task.callers.pop()
            self.frame, self.pc = task.frame, task.pc
            return RESULT
        self.future = task.number
        if task.must_cancel:
            self.child = task.message
            self._end_task(task, CANCELLED)
            return CUT
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
                self.ask((CATCH, task.frame, -1, depth))
                return self.poll()
            self.ask((DROP, task.frame, -1, -1))
            if not task.callers:
                state = CANCELLED if cancelled else ERROR
                self.ask((FAILED, -1, task.number, state))
                self._end_task(task, state)
                return self.poll()
            task.frame, task.function, task.pc = task.callers.pop()

    def wait_effect(self) -> int:
        """The top frame awaits an action; its call is known by `~effect`."""
        task = self.current()
        task.effect = self._start_effect(~task.number)
        return self._suspend(task, DIRECT)

    def wait_sleep(self, delay_ns: int) -> int:
        """The top frame sleeps; 0 is a bare turn of the queue."""
        task = self.current()
        if delay_ns:
            task.timer = self.start_timer(~task.number, self.now_ns + delay_ns)
            return self._suspend(task, DIRECT)
        task.waiting, task.woken, self.task = DIRECT, RESOLVED, None
        self.soon((STEP, task.number, -1, RESOLVED))
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
        """The top frame awaits a future that is pending."""
        task = self.current()
        self.futures[number].waiters += ((STEP, task.number),)
        return self._suspend(task, number)

    def _suspend(self, task: Task, waiting: int) -> int:
        task.waiting, task.woken, self.task = waiting, PENDING, None
        if task.must_cancel and cancellation.cancel_wait(self, task, task.message):
            task.must_cancel = False
        if self.ready or self.requests or self._stopping or self.main_state:
            return self.poll()
        self._turn = 0
        return IDLE

    def received(self, key: int) -> int:
        """How the effect or timer ended that a task awaited directly."""
        return self._task(~key).woken

    # Tasks and futures

    def soon(self, item: tuple[int, int, int, int]) -> None:
        """Schedule an item of the ready queue, CPython's `call_soon`."""
        if self.ready is None:
            self.ready = deque()
        self.ready.append(item)

    def ask(self, request: tuple[int, int, int, int]) -> None:
        """Let the evaluator do something before anything else happens."""
        if self.requests is None:
            self.requests = []
        self.requests.append(request)

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

    def _new_task(self, function: int) -> Task:
        number, frame = self.next_future, self.frames
        self.next_future, self.frames = number + 1, frame + 1
        self.tasks += 1
        task = Task(number, frame, self.functions[function], self.tasks)
        self.futures[number] = task
        return task

    def new_child(self, kind: int, argument: int) -> int:
        """A task whose coroutine is a helper, an action or a sleep."""
        if kind == CHILD_HELPER:
            number = self._new_task(argument).number
            self.soon((STEP, number, -1, PENDING))
            return number
        number = self.next_future
        self.next_future = number + 1
        self.futures[number] = call = Call(argument if kind == CHILD_SLEEP else -1)
        if kind == CHILD_FAILED:
            call.outcome = ERROR
        self.soon((BEGIN_CALL, number, number, PENDING))
        return number

    def _start_effect(self, key: int) -> int:
        effect = self.next_effect
        self.next_effect = effect + 1
        self.effects[effect] = key
        self.commands.append((START_EFFECT, effect, key))
        return effect

    def start_timer(self, key: int, deadline_ns: int) -> int:
        timer = self.next_timer
        self.next_timer = timer + 1
        self.timers[timer] = (key, deadline_ns)
        self.commands.append((START_TIMER, timer, deadline_ns))
        return timer

    def end(self, number: int, future: Future, state: int) -> None:
        """A future is over: schedule those that wait for it."""
        future.state = state
        for item, target in future.waiters:
            self.soon((item, target, number, state))
        future.waiters = ()
        if self._winding:
            self._winding.discard(number)

    def _end_call(self, number: int, call: Call, state: int) -> None:
        self.end(number, call, state)
        if call.exposed or (state == CANCELLED and call.message >= 0):
            self.ask((ENDED, state, number, call.message))

    def _end_task(self, task: Task, state: int) -> None:
        self.task = None
        self.end(task.number, task, state)
        if task.number == 0:
            self.main_state = state
            if len(self.futures) > 1:
                self.soon((STOP, 0, -1, -1))

    def forget(self, number: int) -> None:
        """Nobody will ask for this future again."""
        del self.futures[number]
        self.ask((FORGET, -1, number, -1))

    def _finish(self) -> None:
        self.ended = True
        for effect in list(self.effects):
            cancellation.stop_waiting(self, effect, -1)
        for timer in list(self.timers):
            cancellation.stop_waiting(self, -1, timer)
        self.commands.append((END, self.main_state, -1))
