"""Stores that misbehave on demand: memory stores whose flushes are watched."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from uuid import UUID

from waymark.errors import RefusedData, StoreUnavailable
from waymark.store.memory import MemoryDatabase, MemoryStore
from waymark.store.records import Flush


class HeldStore(MemoryStore):
    """Flushes wait for `open_gate`; each that arrives is noted in `arrived_flushes`."""

    def __init__(self, database: MemoryDatabase | None = None, *, lanes: int = 1) -> None:
        super().__init__(database, lanes=lanes)
        self.gate = asyncio.Event()
        self.asked: list[Flush] = []
        self.asked_event = asyncio.Event()

    def open_gate(self) -> None:
        self.gate.set()

    def close_gate(self) -> None:
        self.gate.clear()

    async def someone_waits(self) -> None:
        """Returns once a flush stands at the gate."""
        await self.asked_event.wait()
        self.asked_event.clear()

    async def flush(self, lane: int, batch: Flush) -> frozenset[UUID]:
        self.asked.append(batch)
        self.asked_event.set()
        await self.gate.wait()
        return await super().flush(lane, batch)


class FlakyStore(MemoryStore):
    """Loses connections: `losses` says, flush by flush, what goes wrong next.

    "before": the flush never arrives; "after": it arrives and the answer is lost;
    "fine": nothing. An empty list is fine for ever.
    """

    def __init__(self, database: MemoryDatabase | None = None, *, lanes: int = 1) -> None:
        super().__init__(database, lanes=lanes)
        self.losses: list[str] = []
        self.flushes: list[Flush] = []
        self.refuses: Callable[[Flush], bool] = lambda batch: False
        self.arrived_fails = 0
        #: Entries at which a flush takes longer than it may.
        self.too_much = 1_000_000

    async def flush(self, lane: int, batch: Flush) -> frozenset[UUID]:
        loss = self.losses.pop(0) if self.losses else "fine"
        if loss == "before":
            raise StoreUnavailable("the connection was lost")
        if len(batch.entries) >= self.too_much:
            raise StoreUnavailable("canceling statement due to statement timeout")
        if self.refuses(batch):
            raise RefusedData("the server does not like this value")
        refused = await super().flush(lane, batch)
        self.flushes.append(batch)
        if loss == "after":
            raise StoreUnavailable("the connection was lost")
        return refused

    async def arrived(self, runs: Sequence[UUID]) -> dict[UUID, tuple[int, int, int, UUID | None]]:
        if self.arrived_fails:
            self.arrived_fails -= 1
            raise StoreUnavailable("the server is starting up")
        return await super().arrived(runs)


class DyingStore(MemoryStore):
    """Its process dies when a certain flush has been stored: nobody gets an answer."""

    def __init__(self, database: MemoryDatabase, flushes: int) -> None:
        super().__init__(database)
        self.left = flushes
        self.dead = asyncio.Event()

    async def flush(self, lane: int, batch: Flush) -> frozenset[UUID]:
        if not self.left:
            await asyncio.Event().wait()
        refused = await super().flush(lane, batch)
        self.left -= 1
        if not self.left:
            self.dead.set()
            await asyncio.Event().wait()
        return refused
