"""Hints between processes: NOTIFY on a side connection, LISTEN on one of its own.

NOTIFY takes a lock on the whole server when its transaction commits, so it never
travels with data and each topic is told at most once in `INTERVAL_SECONDS`. All
of this may fail at any time without harm: polling is the truth.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from waymark.errors import StoreError

from .connecting import Connector
from .failures import FAILURES
from .statements import Statements

if TYPE_CHECKING:
    import asyncpg

#: How often a topic is told at most.
INTERVAL_SECONDS = 0.01

#: How long the last hint may take.
LAST_HINT_SECONDS = 0.5

#: How long to wait before connecting again, at first and at most.
RETRY_SECONDS = (0.5, 30.0)

#: How often an idle connection is tried: a network may drop it without a word.
PROBE_SECONDS = 60.0

#: What a process that listens anew may have missed.
TOPICS = ("runs", "done", "inbox", "tasks", "outcomes")


class Hints:
    """Sends and receives hints of one store. Payloads are `topic:sender`."""

    def __init__(
        self,
        connector: Connector,
        statements: Statements,
        pool: Callable[[], asyncpg.Pool[asyncpg.Record] | None],
    ) -> None:
        self._connector = connector
        self._statement = statements["notify"]
        self._channel = f"waymark_{statements.schema}"
        self._pool = pool
        self._sender = uuid4().hex
        self._pending: set[str] = set()
        self._telling: asyncio.Task[None] | None = None
        self._listening: asyncio.Task[None] | None = None
        #: Whether hints of others are heard now.
        self.listens = False

    def listen(self, notice: Callable[[str], None]) -> None:
        """Call `notice(topic)` in this loop for what other processes hint."""
        if self._connector.pooler or self._listening is not None:
            return
        self._listening = asyncio.get_running_loop().create_task(
            self._listen(notice), name="waymark hints"
        )

    def hint(self, topic: str) -> None:
        """Tell the other processes soon."""
        if self._pool() is None:
            return
        self._pending.add(topic)
        if self._telling is None or self._telling.done():
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                return
            self._telling = loop.create_task(self._tell(), name="waymark hint")

    async def close(self) -> None:
        """Stop telling and listening; what was hinted last is told yet, since it says that
        runs were given back."""
        if self._telling is not None and not self._telling.done():
            await asyncio.wait([self._telling], timeout=LAST_HINT_SECONDS)
        tasks = [task for task in (self._telling, self._listening) if task is not None]
        self._telling = self._listening = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _tell(self) -> None:
        while self._pending and (pool := self._pool()) is not None:
            payloads = [f"{topic}:{self._sender}" for topic in sorted(self._pending)]
            self._pending.clear()
            try:
                await pool.execute(self._statement, self._channel, payloads)
            except FAILURES:
                return
            await asyncio.sleep(INTERVAL_SECONDS)

    async def _listen(self, notice: Callable[[str], None]) -> None:
        wait, most = RETRY_SECONDS
        while True:
            try:
                connection = await self._connector.connect("hints")
            except StoreError:
                await asyncio.sleep(wait)
                wait = min(wait * 2, most)
                continue
            wait = RETRY_SECONDS[0]
            try:
                await self._receive(connection, notice)
            except FAILURES:
                await asyncio.sleep(wait)
            finally:
                self.listens = False
                connection.terminate()

    async def _receive(
        self, connection: asyncpg.Connection[asyncpg.Record], notice: Callable[[str], None]
    ) -> None:
        """Pass hints on until the connection ends."""
        ended = asyncio.Event()
        connection.add_termination_listener(lambda _: ended.set())

        def received(_connection: Any, _pid: int, _channel: str, payload: object) -> None:
            topic, _, sender = str(payload).partition(":")
            if sender != self._sender and topic in TOPICS:
                notice(topic)

        await connection.add_listener(self._channel, received)
        self.listens = True
        for topic in TOPICS:
            notice(topic)
        while not ended.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), PROBE_SECONDS)
                break
            await connection.execute("")
