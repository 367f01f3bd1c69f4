"""What every library is asked to do, and how it is known that it did.

This file runs in each library's own virtualenv: it imports nothing but the standard
library. A file in `peers/` has

SETTINGS      the settings that the measured process runs with, in one line
CHAIN, JOIN   how a chain and a fan-out are written with it, in a few words
opened(url)   an async context manager: the schema installed in the empty database of
              `url`, client and worker started in this process, yielding a `Peer`

What is measured is the library: actions do nothing. Each method of `Peer` returns when
the database says that everything is finished, and raises `Wrong` when it is not what
was asked for, so that no figure can come from work that was lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

#: So long may one shape take.
SECONDS_MAX = 120.0
#: How often the database is asked whether all is finished, once every action has run.
ASK_SECONDS = 0.005


class Wrong(Exception):
    """The library did not do what was asked for; its figure would mean nothing."""


class Peer(Protocol):
    """A library at work."""

    async def runs(self, count: int, in_flight: int) -> None:
        """Submit `count` units of one action one by one, as a web app does, by
        `in_flight` tasks. A task waits for the result of its unit where that is how
        the library is used, else it goes on to submit the next."""

    async def chains(self, count: int, length: int) -> None:
        """`count` chains side by side, of `length` actions one after the other."""

    async def fan_out(self, width: int) -> None:
        """`width` actions side by side; over when all of them are."""

    async def one(self, value: int) -> None:
        """Submit one unit and wait until its submitter knows that it is done."""


class Module(Protocol):
    """A file in `peers/`."""

    SETTINGS: str
    CHAIN: str
    JOIN: str

    def opened(self, url: str) -> AbstractAsyncContextManager[Peer]: ...


class Tally:
    """Counts actions as they run, for libraries that do not hand results back."""

    def __init__(self) -> None:
        self.count = 0
        self._wanted = 0
        self._reached = asyncio.Event()

    def add(self) -> None:
        """An action ran."""
        self.count += 1
        if self.count == self._wanted:
            self._reached.set()

    async def reach(self, count: int) -> None:
        """Wait until `count` actions have run since the start."""
        self._wanted = count
        self._reached.clear()
        if self.count < count:
            await _in_time(self._reached.wait(), f"{self.count} actions ran of {count}")


async def submit(count: int, in_flight: int, one: Callable[[int], Awaitable[object]]) -> None:
    """Call `one` with each number below `count`, `in_flight` of them at a time."""
    values = iter(range(count))

    async def one_after_the_other() -> None:
        for value in values:
            await one(value)

    whole = asyncio.gather(*(one_after_the_other() for _ in range(min(in_flight, count))))
    await _in_time(whole, f"not all of {count} were submitted and done")


async def settled(finished: Callable[[], Awaitable[int]], expected: int) -> None:
    """Wait until the database has as many finished units as it ought to."""

    async def ask() -> None:
        while (found := await finished()) < expected:  # noqa: ASYNC110 - asks the database
            await asyncio.sleep(ASK_SECONDS)
        if found != expected:
            raise Wrong(f"{found} units are finished, {expected} were submitted")

    await _in_time(ask(), f"the database never had {expected} finished units")


def equal(found: object, expected: object) -> None:
    """Refuse another result than the right one."""
    if found != expected:
        raise Wrong(f"the result is {found!r}, not {expected!r}")


async def _in_time(work: Any, otherwise: str) -> None:
    try:
        await asyncio.wait_for(work, SECONDS_MAX)
    except TimeoutError:
        raise Wrong(f"after {SECONDS_MAX:.0f} s: {otherwise}") from None


@asynccontextmanager
async def beside(work: Any) -> AsyncIterator[asyncio.Task[Any]]:
    """A worker that runs beside the block, and ends with it; its failure is ours."""
    task = asyncio.ensure_future(work)
    try:
        yield task
        if task.done():
            await task
            raise Wrong("the worker stopped by itself")
    finally:
        task.cancel()
        await asyncio.wait([task], timeout=10)
