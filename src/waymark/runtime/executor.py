"""Attempts of actions: tasks of this loop, as many at once as there are slots.

A call waits in `ready` (memory bounded by the runs that are held), by priority and then by
age, and becomes a task only when it has a slot. An outcome is whatever the action's code did; what
we did to it is an interruption and leaves no trace: a stop, a lost lease, a run
that another owns now. So a `CancelledError` is an outcome when the author's own
code raised it, and an interruption when this task was cancelled from outside
while the runtime is ending or the call is no longer wanted.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import sys
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Container, Coroutine, Mapping
from functools import partial
from typing import Any, Protocol, TypeAlias

from ..authoring.action import Action
from ..authoring.context import ActionContext, attempt_context
from ..authoring.policies import pause
from ..authoring.registry import registry
from ..engine.outcomes import UNREAD, StartAction, StartAttempt, maker
from ..errors import UnresolvedActionError, ValueEncodeError, WaymarkError
from ..values import dump_exception
from .live_run import LiveRun
from .pace import Pace
from .reports import Reports
from .threads import ActionThreads

_context = maker(ActionContext)

log = logging.getLogger("waymark.executor")


#: What an attempt came to: run, effect, whether it returned, its encoded result or
#: exception, and the result itself (else `UNREAD`). A plain tuple, as one is made for
#: each attempt.
Outcome: TypeAlias = tuple[LiveRun, int, bool, bytes, Any]

#: What asks for an attempt.
Attempt: TypeAlias = StartAction | StartAttempt


class ServedElsewhere(WaymarkError):
    """An action names a queue that this process does not serve: others make its attempts."""


class TaskMaker(Protocol):
    """Makes a task with a name."""

    def __call__(self, coro: Coroutine[Any, Any, None], /, *, name: str) -> asyncio.Task[None]: ...


def task_maker(loop: asyncio.AbstractEventLoop) -> TaskMaker:
    """The cheapest way to make a task in this loop: eagerly where Python can (an
    action that never waits then costs no turn of the loop), by the host's own task
    factory where there is one."""
    if loop.get_task_factory() is not None:
        return loop.create_task
    if sys.version_info >= (3, 12):
        return partial(asyncio.Task, loop=loop, eager_start=True)
    return partial(asyncio.Task, loop=loop)


class Executor:
    """Starts attempts and hands their outcomes to `deliver`, in this loop."""

    def __init__(
        self,
        slots: int,
        payload_bytes_max: int,
        threads: ActionThreads,
        deliver: Callable[[Outcome], None],
        ending: Callable[[], bool],
        freed: Callable[[], None],
    ) -> None:
        self.slots = slots
        self.payload_bytes_max = payload_bytes_max
        self.threads = threads
        self.deliver = deliver
        #: Whether the runtime ends, so that a cancellation is an interruption.
        self.ending = ending
        #: Called when a slot is free that no outcome tells of.
        self.freed = threads.freed = freed
        self.reports: Reports
        #: Takes a failed attempt after which there is another: run, command, pause in
        #: seconds, encoded error.
        self.retry: Callable[[LiveRun, Attempt, float, bytes], None]
        #: Queues whose actions this process executes; None for all.
        self.queues: Container[str] | None = None
        #: Takes a call that this process does not serve.
        self.send: Callable[[LiveRun, Attempt], None]
        self.ready: deque[tuple[LiveRun, Attempt]] = deque()
        #: How many calls have ever left it at its front.
        self.passed = 0
        self.running: set[asyncio.Task[Any]] = set()
        self._loop = asyncio.get_running_loop()
        self.pace = Pace(self._loop)
        self._revision = -1
        self._actions: dict[str, Action[..., Any]] = {}

    @property
    def startable(self) -> bool:
        return bool(self.ready) and self.free_slots > 0

    @property
    def free_slots(self) -> int:
        """Slots that neither a task nor a thread left behind by one occupies."""
        return self.slots - len(self.running) - self.threads.abandoned

    def enqueue(self, run: LiveRun, command: Attempt) -> None:
        """Let a call start as soon as it has a slot, those of the highest priority first."""
        run.attempts[command[0]] = None  # its effect
        ready = self.ready
        if ready and ready[-1][0].priority < run.priority:
            ready.insert(bisect_right(ready, -run.priority, key=_urgency), (run, command))
        else:
            ready.append((run, command))

    def start(self) -> None:
        """Start waiting calls that have a slot, as many as one turn of the loop should."""
        ready, running = self.ready, self.running
        create_task = task_maker(self._loop)
        limit = count = min(self.pace.limit, self.free_slots, len(ready))
        measured = self.pace.enter(limit)
        waiting = len(ready)
        while limit > 0 and ready:
            run, command = ready.popleft()
            effect = command[0]
            if run.closed or effect not in run.attempts:
                continue
            limit -= 1
            # A name of ours is cheaper than the number that Python would make up.
            task = create_task(self._attempt(run, command), name=command[2])
            run.attempts[effect] = task
            if not task.done():
                running.add(task)
        self.passed += waiting - len(ready)
        if measured:
            self.pace.leave(count - limit)

    def cancel(self, run: LiveRun, effect: int) -> None:
        """Interrupt one attempt; its outcome is no longer wanted."""
        self._interrupt(run.attempts.pop(effect, None))

    def cancel_all(self, run: LiveRun) -> None:
        """Interrupt every attempt of a run."""
        attempts, run.attempts = run.attempts, {}
        for task in attempts.values():
            self._interrupt(task)

    def _interrupt(self, task: asyncio.Task[None] | None) -> None:
        # One that is over has nothing to interrupt. Where it ended as it was begun, to ask
        # for its coroutine crashes 3.12.1.
        if task is None or not task.cancel():
            return
        coroutine = task.get_coro()
        if (
            inspect.iscoroutine(coroutine)
            and inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED
        ):
            # Its first line never runs, so neither does its `finally`.
            self.running.discard(task)
            self.freed()

    async def _attempt(self, run: LiveRun, command: Attempt) -> None:
        effect, name = command[0], command[2]
        task = asyncio.current_task(self._loop)
        assert task is not None
        number = 1 if isinstance(command, StartAction) else command.attempt
        policy = None
        limit = None
        value: Any = UNREAD
        try:
            attempt_context.set(_context((run.id, run.workflow, name, effect, number, None)))
            action = self._action(name)
            args: tuple[Any, ...] = ()
            kwargs: Mapping[str, Any] | None = None
            policy = action.policy
            if type(command) is StartAction:
                if command[6] is action:
                    kwargs = command[5]
            elif type(command) is StartAttempt and command.policy is not None:
                policy = command.policy.over(policy)
            if kwargs is None:
                args, kwargs = action.arguments.unpack(command[3])
            injection = action.injection
            function = action.function if action.is_async else self._threaded(action)
            if policy is not None and policy.limited:
                function = limit = self.reports.limit(
                    run, effect, number, policy, action, self.threads
                )
            if injection is None:
                value = await function(*args, **kwargs)
            else:
                value = await injection.call(function, args, kwargs)
            payload = action.result_plan.dumps(value, "result")
            if len(payload) > self.payload_bytes_max:
                raise too_large("result", len(payload), self.payload_bytes_max)
            ok = True
        except ServedElsewhere:
            self.send(run, command)
            self.freed()
            return
        except (KeyboardInterrupt, SystemExit):
            raise
        except asyncio.CancelledError as error:
            if self._interrupted(run, effect):
                self.freed()
                raise
            ok, payload = False, self._encode_error(name, error)
        except BaseException as error:  # noqa: BLE001  # an outcome, whatever it is
            ok, payload = False, self._encode_error(name, error)
            delay = None
            if limit is not None:
                delay = await limit.pause_after_thread(number, error)
            elif policy is not None:
                delay = pause(policy, number, error, 0.0)
            if delay is not None:
                self.retry(run, command, delay, payload)
                return
        finally:
            self.running.discard(task)
            if limit is not None:
                limit.leave()
        if limit is not None:
            self.reports.over(run, effect)
        self.deliver((run, effect, ok, payload, value if ok else UNREAD))

    def _action(self, name: str) -> Action[..., Any]:
        if self._revision != registry.revision:
            self._revision = registry.revision
            self._actions = {}
        action = self._actions.get(name)
        if action is None:
            action = registry.action(name)
            if action is None:
                raise UnresolvedActionError(f"no registered action is called {name!r}")
            if not self.serves(action):
                raise ServedElsewhere(f"{name} is for the queue {action.queue!r}")
            self._actions[name] = action
        return action

    def serves(self, action: Action[..., Any] | None) -> bool:
        """Whether this process makes attempts of an action, as far as its queue says."""
        queue = None if action is None else action.queue
        return queue is None or self.queues is None or queue in self.queues

    def _threaded(self, action: Action[..., Any]) -> Callable[..., Any]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            future = self.threads.call(action.function, args, kwargs)
            try:
                return await future
            except asyncio.CancelledError:
                if future.cancelled():
                    self.threads.abandoned += 1
                raise

        return call

    def _interrupted(self, run: LiveRun, effect: int) -> bool:
        return run.closed or effect not in run.attempts or self.ending()

    def _encode_error(self, action: str, error: BaseException) -> bytes:
        try:
            payload = dump_exception(error, types=registry.types)
        except Exception as problem:
            log.exception("an exception of %s could not be encoded", action)
            payload = dump_exception(problem)
        if len(payload) > self.payload_bytes_max:
            payload = dump_exception(too_large("error", len(payload), self.payload_bytes_max))
        return payload


def _urgency(call: tuple[LiveRun, Attempt]) -> int:
    return -call[0].priority


def too_large(path: str, size: int, limit: int) -> ValueEncodeError:
    """The error for a payload over the limit; sizes in bytes."""
    return ValueEncodeError(
        path,
        f"is {size:,} bytes when encoded, more than payload_bytes_max ({limit:,});"
        " keep it elsewhere (a table, a file) and pass its key",
    )
