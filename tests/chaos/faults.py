"""A memory store on which everything fails that may fail, by a seed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar
from uuid import UUID

from waymark.errors import StoreUnavailable
from waymark.store.memory import MemoryDatabase, MemoryStore
from waymark.store.records import NO_ENTRIES, ClaimedRun, Flush, JournalRow, Park, RunRow, Sight
from waymark.store.suspects import NONE_HELD, Held

T = TypeVar("T")


class FaultyStore(MemoryStore):
    """Each call is slow by so many turns of the loop, and may be lost before it arrives
    or after it was carried out. A store that is `cut` off never comes back."""

    def __init__(self, database: MemoryDatabase, chance: random.Random, fault_rate: float) -> None:
        super().__init__(database, lanes=2)
        self._chance = chance
        self._fault_rate = fault_rate
        self._doubtful: list[ClaimedRun] = []
        self.cut = False

    async def _call(self, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        for _ in range(self._chance.randrange(8)):
            await asyncio.sleep(0)
        self._fail()
        result = await call()
        for _ in range(self._chance.randrange(8)):
            await asyncio.sleep(0)
        self._fail()
        return result

    def _fail(self) -> None:
        if self.cut or self._chance.random() < self._fault_rate:
            raise StoreUnavailable("the connection was lost")

    async def get_graph(self, hash: bytes) -> str | None:
        return await self._call(lambda: MemoryStore.get_graph(self, hash))

    async def register_worker(self, worker: UUID, lease_seconds: float, about: str) -> int:
        return await self._call(
            lambda: MemoryStore.register_worker(self, worker, lease_seconds, about)
        )

    async def remove_worker(self, worker: UUID) -> None:
        await self._call(lambda: MemoryStore.remove_worker(self, worker))

    async def reap_workers(self, proven_dead: Sequence[UUID] = ()) -> list[UUID]:
        return await self._call(lambda: MemoryStore.reap_workers(self, proven_dead))

    async def flush(self, lane: int, batch: Flush) -> frozenset[UUID]:
        return await self._call(lambda: MemoryStore.flush(self, lane, batch))

    async def arrived(self, runs: Sequence[UUID]) -> dict[UUID, tuple[int, int, int, UUID | None]]:
        return await self._call(lambda: MemoryStore.arrived(self, runs))

    async def claim(
        self,
        worker: UUID,
        graphs: Sequence[bytes],
        queues: Sequence[str],
        limit: int,
        now_ns: int = 0,
        held: Held = NONE_HELD,
        ahead_seconds: float = 0.0,
        resting: Sequence[UUID] = (),
    ) -> list[ClaimedRun]:
        """As in Postgres, what a lost call has claimed is handed over by the next."""

        async def claim() -> list[ClaimedRun]:
            new = await MemoryStore.claim(
                self, worker, graphs, queues, limit, now_ns, held, ahead_seconds, resting
            )
            self._doubtful += new
            return self._doubtful

        claimed = await self._call(claim)
        self._doubtful = []
        return [run for run in claimed if self._holds(worker, run)]

    def _holds(self, worker: UUID, run: ClaimedRun) -> bool:
        row = self.database.runs[run.id]
        return (row.owner, row.epoch) == (worker, run.epoch)

    async def look(self, worker: UUID, queues: Sequence[str], ahead_seconds: float = 0.0) -> Sight:
        return await self._call(lambda: MemoryStore.look(self, worker, queues, ahead_seconds))

    async def park(self, lane: int, worker: UUID, parks: Sequence[Park]) -> frozenset[UUID]:
        return await self._call(lambda: MemoryStore.park(self, lane, worker, parks))

    async def owned_runs(self, worker: UUID) -> list[UUID]:
        return await self._call(lambda: MemoryStore.owned_runs(self, worker))

    async def free_runs(self, worker: UUID, runs: Sequence[UUID]) -> None:
        await self._call(lambda: MemoryStore.free_runs(self, worker, runs))

    async def read_journal(
        self, runs: Sequence[UUID], after: Mapping[UUID, int] = NO_ENTRIES
    ) -> dict[UUID, list[JournalRow]]:
        return await self._call(lambda: MemoryStore.read_journal(self, runs, after))

    async def read_runs(self, runs: Sequence[UUID]) -> dict[UUID, RunRow]:
        return await self._call(lambda: MemoryStore.read_runs(self, runs))
