"""`asyncio.wait`, `as_completed` and `shield`: callbacks at the end of futures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from waymark.engine.awaitables import Coroutine, HelperCall, defined
from waymark.engine.futures import CANCELLED, ERROR, RESOLVED
from waymark.values import OrderedSet

from .future import Future
from .stores import Store

if TYPE_CHECKING:
    from .loop import Handle, RunLoop

_MODES = ("FIRST_COMPLETED", "FIRST_EXCEPTION", "ALL_COMPLETED")


class Watch:
    """What one call of `asyncio.wait` looks at. `waiter` is resolved when it has
    seen enough, or its time is up."""

    def __init__(self, loop: RunLoop, futures: list[Future], mode: str) -> None:
        self.loop = loop
        self.futures = futures
        self.mode = mode
        self.left = len(futures)
        self.waiter = loop.create_future()
        self.handle: Handle | None = None
        self.callbacks: list[int] = []

    def begin(self, timeout: float | None) -> None:
        """Look on."""
        if timeout is not None:
            self.handle = self.loop.call_at(self.loop.time() + timeout, self)
        self.callbacks = [self.loop.when_over(future, self) for future in self.futures]

    def called(self, argument: Future | None) -> None:
        """One of them is over, or (None) the time is."""
        if argument is not None:
            self.left -= 1
            failed = argument.over() == ERROR
            if (
                self.left > 0
                and self.mode != "FIRST_COMPLETED"
                and not (self.mode == "FIRST_EXCEPTION" and failed)
            ):
                return
            if self.handle is not None:
                self.handle.cancel()
        if not self.waiter.done():
            self.waiter.set_result(None)

    def end(self) -> None:
        """Look no more."""
        if self.handle is not None:
            self.handle.cancel()
        for future, callback in zip(self.futures, self.callbacks, strict=True):
            self.loop.not_when_over(future, callback)


class AsCompleted(Store):
    """What `asyncio.as_completed` gives: awaitables in a `for`, whose results come in
    the order in which they end; the futures themselves in an `async for`."""

    def __init__(self, loop: RunLoop, awaitables: Iterable[Any], timeout: float | None) -> None:
        super().__init__(loop)
        self.todo: dict[int, Future] = {}
        futures = [loop.ensure_future(each) for each in OrderedSet(awaitables)]
        self.todo = {id(future): future for future in futures}
        self.left = len(self.todo)
        self.callbacks = {key: loop.when_over(future, self) for key, future in self.todo.items()}
        self.handle: Handle | None = None
        if self.todo and timeout is not None:
            self.handle = loop.call_at(loop.time() + timeout, self)

    def __iter__(self) -> AsCompleted:
        return self

    def __next__(self) -> HelperCall:
        return self.next_call(True)

    def futures(self) -> Iterator[HelperCall]:
        """For `async for`."""
        return FuturesCompleted(self)

    def next_call(self, resolve: bool) -> HelperCall:
        """What to await for the next one: its result, or itself."""
        if not self.left:
            raise StopIteration
        self.left -= 1
        return defined("next_completed", self, resolve)

    def called(self, argument: Future | None) -> None:
        """One of them is over, or (None) the time is."""
        if argument is None:
            for key, future in self.todo.items():
                self.loop.not_when_over(future, self.callbacks[key])
                self.put(None)
            self.todo = {}
        elif self.todo.pop(id(argument), None) is not None:
            self.put(argument)
            if not self.todo and self.handle is not None:
                self.handle.cancel()

    def take(self, resolve: bool) -> Any:
        """The next one that is over."""
        future = self.items.popleft()
        if future is None:
            raise TimeoutError
        return future.result() if resolve else future


class FuturesCompleted:
    """`as_completed` in an `async for`."""

    def __init__(self, completed: AsCompleted) -> None:
        self.completed = completed

    def __iter__(self) -> FuturesCompleted:
        return self

    def __next__(self) -> HelperCall:
        return self.completed.next_call(False)


class Shield:
    """Passes the end of `inner` on to `outer`, whose cancellation stops there."""

    def __init__(self, loop: RunLoop, inner: Future) -> None:
        self.loop = loop
        self.inner = inner
        self.outer = loop.create_future()
        self.callback = loop.when_over(inner, self)
        loop.when_over(self.outer, self)

    def called(self, argument: Future) -> None:
        """Either of them is over."""
        inner, outer = self.inner, self.outer
        if argument is outer:
            self.loop.not_when_over(inner, self.callback)
        elif outer.over() == CANCELLED:
            return
        elif inner.over() == CANCELLED:
            outer.cancel()
        elif inner.over() == RESOLVED:
            outer.set_result(inner.value)
        else:
            outer.set_exception(inner.error)


def shield(loop: RunLoop, awaitable: Any) -> Future:
    """`asyncio.shield`."""
    inner = loop.ensure_future(awaitable)
    return inner if inner.done() else Shield(loop, inner).outer


# What the definitions of waiting are made of


def watch(loop: RunLoop, fs: Any, timeout: float | None, return_when: str) -> Watch:
    """Check the arguments of `asyncio.wait`, and begin to look on."""
    if isinstance(fs, Future | Coroutine):
        raise TypeError(f"expect a list of futures, not {type(fs).__name__}")
    if not fs:
        raise ValueError("Set of Tasks/Futures is empty.")
    if return_when not in _MODES:
        raise ValueError(f"Invalid return_when value: {return_when}")
    futures: list[Any] = list(OrderedSet(fs))
    if any(isinstance(each, Coroutine) for each in futures):
        raise TypeError("Passing coroutines is forbidden, use tasks explicitly.")
    if not all(isinstance(each, Future) for each in futures):
        raise TypeError("An asyncio.Future, a coroutine or an awaitable is required")
    made = Watch(loop, futures, return_when)
    made.begin(timeout)
    return made


def watched(watch: Watch) -> Future:
    """What to wait for."""
    return watch.waiter


def end_watch(watch: Watch) -> None:
    """Look no more."""
    watch.end()


def watch_results(watch: Watch) -> tuple[Any, Any]:
    """Which are over and which are not, each in the order in which they were given."""
    done = OrderedSet([future for future in watch.futures if future.done()])
    return done, OrderedSet([future for future in watch.futures if not future.done()])


def take_completed(completed: AsCompleted, resolve: bool) -> Any:
    """The next that is over: its result, or itself."""
    return completed.take(resolve)
