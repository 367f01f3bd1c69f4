"""asyncio's functions and classes as a graph of this process has them.

Each acts on the run that is being evaluated. Those that wait are not here: they
are definitions of the graph itself (`compiler/prelude.py`), made of the operations
under `waymark.`, which take nothing but objects of the engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from waymark.engine.awaitables import Coroutine, SleepCall, run_action
from waymark.engine.groups import Suppress
from waymark.errors import ImpureCallError

from . import groups, locks, mailboxes, stores, waiting
from .future import Future, GatheringFuture, Task
from .loop import RunLoop
from .timeouts import Timeout

if TYPE_CHECKING:
    from waymark.engine.running import Running

#: Types that no code may construct: their objects stand for what the machine has.
MADE_BY_ENGINE: tuple[type, ...] = (Future, RunLoop, Timeout, stores.Store, waiting.Watch)

#: Operations on one engine object, the first argument: its type, and what they do.
_ON_OBJECTS: tuple[tuple[type, tuple[Callable[..., Any], ...]], ...] = (
    (
        groups.TaskGroup,
        (
            groups.begin_leaving,
            groups.group_has_tasks,
            groups.group_emptied,
            groups.forget_emptied,
            groups.group_aborting,
            groups.abort_group,
            groups.finish_group,
        ),
    ),
    (locks.Line, (locks.leave_line,)),
    (locks.Lock, (locks.take_lock, locks.claim_lock, locks.pass_lock_on)),
    (locks.Semaphore, (locks.take_semaphore, locks.hand_back, locks.wake_waiters)),
    (locks.Condition, (locks.condition_lock, locks.notify_another)),
    (waiting.Watch, (waiting.watched, waiting.end_watch, waiting.watch_results)),
    (
        waiting.AsCompleted,
        (waiting.take_completed,),
    ),
    (stores.Store, (stores.store_empty, stores.join_getters, stores.leave_getters)),
)


def _checked(cls: type, function: Callable[..., Any]) -> Callable[..., Any]:
    """A stored graph may call it with anything: it gets what it was made for."""

    def call(subject: Any, *arguments: Any) -> Any:
        known = (bool, Future, BaseException, type(None))
        if not isinstance(subject, cls) or not all(isinstance(each, known) for each in arguments):
            raise ImpureCallError(f"{function.__name__} is not for {type(subject).__name__}")
        return function(subject, *arguments)

    return call


class _Functions:
    """Functions with asyncio's own signatures, bound to one program."""

    def __init__(self, running: Running) -> None:
        self.running = running

    def gather(self, *coros_or_futures: Any, return_exceptions: object = False) -> GatheringFuture:
        return self.running.loop.gather(coros_or_futures, bool(return_exceptions))

    def create_task(self, coro: Any, *, name: object = None) -> Task:
        return self.running.loop.create_task(coro, name=name)

    def ensure_future(self, coro_or_future: Any) -> Future:
        return self.running.loop.ensure_future(coro_or_future)

    def current_task(self) -> Task:
        return self.running.loop.current_task()

    def get_running_loop(self) -> RunLoop:
        return self.running.loop

    def shield(self, arg: Any) -> Future:
        return waiting.shield(self.running.loop, arg)

    def timeout(self, delay: float | None) -> Timeout:
        loop = self.running.loop
        return Timeout(loop, None if delay is None else loop.time() + delay)

    def timeout_at(self, when: float | None) -> Timeout:
        return Timeout(self.running.loop, when)

    def as_completed(self, fs: Any, *, timeout: float | None = None) -> waiting.AsCompleted:
        if isinstance(fs, Future | Coroutine):
            raise TypeError(f"expects an iterable of awaitables, not {type(fs).__name__}")
        return waiting.AsCompleted(self.running.loop, fs, timeout)

    # Under `waymark.`

    def join_line(self, line: locks.Line) -> Future:
        """Stand in line."""
        waiter = self.running.loop.create_future()
        line.waiters.append(waiter)
        return waiter

    def mailbox(self, name: object) -> mailboxes.Mailbox:
        return mailboxes.mailbox(self.running.loop, name)

    def take_event(self, box: object, expected: object) -> Any:
        """What the oldest event says, as what is expected."""
        if not isinstance(box, mailboxes.Mailbox) or not box.items:
            raise ImpureCallError(f"take_event is not for {type(box).__name__}")
        return mailboxes.take_event(self.running.tape, box, expected)

    def watch(self, fs: Any, timeout: float | None, return_when: str) -> waiting.Watch:
        return waiting.watch(self.running.loop, fs, timeout, return_when)

    def async_items(self, items: Any) -> Iterator[Any]:
        """`aiter(items)`, as something that gives what to await."""
        if not isinstance(items, waiting.AsCompleted):
            raise TypeError(
                f"'async for' requires an object with __aiter__ method, got {type(items).__name__}"
            )
        return items.futures()


def operations(running: Running) -> Mapping[str, Any]:
    """By dotted path, what of the catalogue the engine has itself."""
    functions = _Functions(running)
    found: dict[str, Any] = {
        f"waymark.{function.__name__}": _checked(cls, function)
        for cls, listed in _ON_OBJECTS
        for function in listed
    }
    found["asyncio.sleep"] = SleepCall
    found["contextlib.suppress"] = Suppress
    found["waymark.run_action"] = run_action
    found["waymark.join_line"] = _checked(locks.Line, functions.join_line)
    found["waymark.watch"] = functions.watch
    found["waymark.mailbox"] = functions.mailbox
    found["waymark.take_event"] = functions.take_event
    found["waymark.event_seconds"] = mailboxes.event_seconds
    found["waymark.async_items"] = functions.async_items
    for function in (
        functions.gather,
        functions.create_task,
        functions.ensure_future,
        functions.current_task,
        functions.get_running_loop,
        functions.shield,
        functions.timeout,
        functions.timeout_at,
        functions.as_completed,
    ):
        found[f"asyncio.{function.__name__}"] = function
    for cls in (
        groups.TaskGroup,
        locks.Lock,
        locks.Semaphore,
        locks.BoundedSemaphore,
        locks.Event,
        locks.Condition,
    ):
        found[f"asyncio.{cls.__name__}"] = cls
    return found
