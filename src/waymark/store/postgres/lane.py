"""One connection of the group-commit writer.

A lane sends one flush at a time. When its connection is lost, whether the flush
arrived is unknown, and the server may even still be busy with it. So a new
connection first adopts the lane: under a lock that waits for what the old one is
doing, it raises the lane's number in the worker's row, and every flush names the
number it knows. After that the old connection can write nothing more, and what it
wrote is there to be seen by `arrived`.

A connection that was lost while nothing was under way is told as a loss as well:
the server may have come back without what it had acknowledged last (a failover to
a standby that lagged behind), and who holds runs in memory has to look first.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

from waymark.errors import Fenced, StoreError, StoreUnavailable
from waymark.store.packing import Texts, python_texts
from waymark.store.records import Flush, Park

from .columns import to_columns
from .connecting import Connector, close_quietly
from .failures import FAILURES, translate
from .single import to_single
from .statements import Statements

if TYPE_CHECKING:
    import asyncpg

#: A statement that takes its arguments and gives its rows.
_Statement: TypeAlias = Callable[..., Awaitable[list[Any]]]


class Lane:
    """`index` counts from 0. Connects when first used, and again after a loss."""

    def __init__(
        self,
        index: int,
        connector: Connector,
        statements: Statements,
        texts_of: Texts = python_texts,
    ) -> None:
        self.index = index
        self._texts_of = texts_of
        self._connector = connector
        self._statements = statements
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._prepared: dict[str, _Statement] = {}
        self._worker: UUID | None = None
        self._number = 0
        self._lost: UUID | None = None
        self._busy = asyncio.Lock()

    async def flush(self, batch: Flush) -> frozenset[UUID]:
        """Write a batch. See `Store.flush`."""
        rows = to_single(batch) or to_columns(batch, self._texts_of)
        async with self._busy:
            if not self._number or self._worker != batch.worker or self._is_closed():
                self._notice_loss(batch.worker)
                await self._adopt(batch.worker)
            try:
                flush = self._prepared.get(rows.statement) or await self._prepare(rows.statement)
                arguments = (batch.worker, self.index + 1, self._number, *rows.arguments)
                if batch.wakes:
                    answer = await self._flush_and_wake(flush, batch, arguments)
                else:
                    answer = await flush(*arguments)
            except BaseException as error:
                self._failed(error, batch.worker)
                if isinstance(error, FAILURES):
                    raise translate(error) from error
                raise
        if not answer:
            raise _fenced(batch.worker)
        written, ours = answer[0]
        return rows.refused(written, ours)

    async def _flush_and_wake(
        self, flush: _Statement, batch: Flush, arguments: Sequence[Any]
    ) -> list[Any]:
        """What wakes a run that sleeps, and its waking, are one transaction."""
        async with self._transaction() as connection:
            answer = await flush(*arguments)
            await connection.fetch(self._statements["wake"], list(batch.wakes))
        return answer

    async def park(self, worker: UUID, parks: Sequence[Park]) -> frozenset[UUID]:
        """See `Store.park`. Here, since nothing but the order of one connection keeps a
        parking that was sent off before a loss from being carried out long after it."""
        ids = [park.id for park in parks]
        waits = [(place, child) for place, park in enumerate(parks, 1) for child in park.children]
        asked = (
            ids,
            [park.epoch for park in parks],
            [None if park.wake_ns is None else park.wake_ns // 1000 for park in parks],
            [place for place, _ in waits],
            [child for _, child in waits],
        )
        async with self._busy:
            if not self._number or self._worker != worker or self._is_closed():
                await self._adopt(worker)
            try:
                async with self._transaction() as connection:
                    await connection.fetch(self._statements["lock_runs"], ids)
                    answer = await connection.fetch(
                        self._statements["park"], worker, self.index + 1, self._number, *asked
                    )
            except BaseException as error:
                self._failed(error, worker)
                if isinstance(error, FAILURES):
                    raise translate(error) from error
                raise
        if not answer:
            raise _fenced(worker)
        return frozenset(answer[0]["parked"])

    @asynccontextmanager
    async def _transaction(self) -> AsyncGenerator[asyncpg.Connection[asyncpg.Record]]:
        connection = self._connection
        assert connection is not None
        async with connection.transaction(isolation="read_committed"):
            if self._connector.pooler:
                timeout = self._connector.idle_transaction_milliseconds
                await connection.execute(self._statements["limit_idleness"], timeout)
            yield connection

    async def settle_loss(self) -> None:
        """After a lost connection: return once nothing that was sent over it can
        change the database any more. Raises `StoreUnavailable`."""
        async with self._busy:
            if self._lost is not None:
                try:
                    await self._adopt(self._lost)
                except Fenced:
                    # Then nothing of the old connection can be written either.
                    self._lost = None

    async def close(self) -> None:
        """Close the connection; never raises."""
        connection, self._connection, self._number = self._connection, None, 0
        if connection is not None:
            await close_quietly(connection)

    def _is_closed(self) -> bool:
        return self._connection is None or self._connection.is_closed()

    async def _adopt(self, worker: UUID) -> None:
        """Become the writer of this lane for `worker`, over a live connection."""
        self._number = 0
        try:
            if self._connection is None or self._is_closed():
                self._prepared = {}
                self._connection = await self._connector.connect(f"writer {self.index + 1}")
            number = await self._connection.fetchval(
                self._statements["adopt_lane"], worker, self.index + 1
            )
            if number is None:
                raise _fenced(worker)
        except StoreError:
            raise
        except BaseException as error:
            self._failed(error, worker)
            if isinstance(error, FAILURES):
                raise translate(error) from error
            raise
        self._worker, self._number, self._lost = worker, number, None

    async def _prepare(self, name: str) -> _Statement:
        """A statement of this connection, prepared where that is possible."""
        connection, text = self._connection, self._statements[name]
        assert connection is not None
        statement: _Statement = partial(connection.fetch, text)
        if not self._connector.pooler:
            statement = (await connection.prepare(text)).fetch
        self._prepared[name] = statement
        return statement

    def _notice_loss(self, worker: UUID) -> None:
        if self._connection is not None and self._is_closed():
            self._lost, self._number, self._connection = worker, 0, None
            raise StoreUnavailable("the connection to the database was lost while it was idle")

    def _failed(self, error: BaseException, worker: UUID) -> None:
        """Drop the connection, unless the server has plainly refused a statement
        over it. Also when the task was cancelled: a statement that is under way
        may or may not be carried out."""
        if isinstance(error, FAILURES) and not isinstance(translate(error), StoreUnavailable):
            return
        self._lost = worker
        self._number = 0
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None


def _fenced(worker: UUID) -> Fenced:
    return Fenced(f"worker {worker} was declared dead; nothing of this batch is stored")
