"""Group commit: what the engine decided becomes durable, then takes effect.

Rules

1.  Each run is pinned to a lane; a lane has one flush under way at a time. So
    the changes of a run are committed in the order in which they were made.
2.  While a flush commits, the lane's next batch fills. Nothing waits for a batch
    to become full: an idle lane flushes at once, a busy one in large batches.
3.  After a commit the changes go to `committed`, which only queues them: the
    writer builds the next flush before anybody acts on the last (no lockstep).
4.  A flush that may or may not have arrived is looked up before it is sent
    again; changes leave the writer as committed, refused or failed, never lost.
5.  A worker that was declared dead writes nothing more under its name. Runs that
    were stored belong to others then; submissions that were not are ours still,
    and travel under the new name.

Theory of a lost connection. `flush` is atomic. So for each run of the batch its
row tells whether this flush arrived (`batch.judge`). An old backend may commit
after we looked; the resend then meets its own rows and is refused for its data,
which is why a batch of one run is looked up once more before it is quarantined.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol
from uuid import UUID

from ..errors import Fenced, RefusedData, StoreUnavailable
from ..settings import Settings
from ..store.protocol import Store
from ..store.records import RunState
from .backoff import Backoff
from .batch import Arrival, by_run, judge, take_batch, to_flush
from .clock import Clock
from .live_run import Change, LiveRun, quarantine

log = logging.getLogger("waymark.writer")


class WriterHost(Protocol):
    """What the writer tells the scheduler. None of it may wait."""

    def committed(self, changes: list[Change]) -> None:
        """These are durable: queue their commands."""
        ...

    def wake(self) -> None:
        """Less is unflushed than before: attempts that waited for that may start."""
        ...

    def refused(self, run: LiveRun) -> None:
        """Another owns this run, or it is gone: forget it."""
        ...

    def behind(self, run: LiveRun) -> None:
        """The store lost acknowledged entries: give the run back, to be recovered."""
        ...

    def condemned(self, run: LiveRun) -> LiveRun:
        """The store rejects what this run wants to record. Drops it, and returns
        a successor that carries its waiters, to be quarantined."""
        ...

    def unstorable(self, run: LiveRun, error: Exception) -> None:
        """A submission was rejected; nothing of it is stored."""
        ...


class Lane:
    """One stream of flushes. `sending` holds the batches that were taken off the
    queue and have not met their end, the next one last; it outlives a crash of
    the writer's task."""

    __slots__ = ("index", "queue", "sending", "wake")

    def __init__(self, index: int) -> None:
        self.index = index
        self.queue: list[Change] = []
        self.sending: list[list[Change]] = []
        self.wake: asyncio.Future[None] | None = None


class Writer:
    """Takes changes by `put`; `serve` runs once for each lane.

    `worker` gives the name that flushes are written under, now; `fenced` is told
    when one was declared dead, and returns once there is a new one.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        host: WriterHost,
        worker: Callable[[], UUID],
        fenced: Callable[[UUID], Awaitable[None]],
        clock: Clock,
    ) -> None:
        self.store = store
        self.settings = settings
        self.host = host
        self.worker = worker
        self.fenced = fenced
        self.lanes = [Lane(index) for index in range(store.lanes)]
        #: Rows and bytes handed over and not yet committed.
        self.unflushed_rows = 0
        self.unflushed_bytes = 0
        #: `Clock.monotonic` at which the last confirmed flush was sent.
        self.confirmed_at = clock.monotonic()
        self._clock = clock

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is under way."""
        return not any(lane.queue or lane.sending for lane in self.lanes)

    @property
    def congested(self) -> bool:
        """Whether unflushed rows or bytes are at their bound."""
        return (
            self.unflushed_rows >= self.settings.unflushed_rows_max
            or self.unflushed_bytes >= self.settings.unflushed_bytes_max
        )

    def put(self, change: Change) -> None:
        """Hand over a change. Order within a run is the order of the calls."""
        lane = self.lanes[change.run.lane]
        lane.queue.append(change)
        self.unflushed_rows += 1 + len(change.entries)
        self.unflushed_bytes += change.size
        wake = lane.wake
        if wake is not None:
            lane.wake = None
            if not wake.done():
                wake.set_result(None)

    def withdraw(self) -> list[Change]:
        """Everything that was never sent, taken out of the queues."""
        withdrawn: list[Change] = []
        for lane in self.lanes:
            withdrawn.extend(lane.queue)
            lane.queue.clear()
        self._count_out(withdrawn)
        return withdrawn

    def in_doubt(self) -> list[Change]:
        """What was sent, or was about to be, and has not met its end."""
        return [change for lane in self.lanes for batch in lane.sending for change in batch]

    async def serve(self, lane: Lane) -> None:
        """Flush one lane until cancelled."""
        loop = asyncio.get_running_loop()
        rows_max, bytes_max = self.settings.flush_rows_max, self.settings.flush_bytes_max
        while True:
            while lane.sending:
                follow = await self._write(lane, lane.sending[-1])
                lane.sending.pop()
                lane.sending.extend(reversed(follow))
            if not lane.queue:
                lane.wake = loop.create_future()
                await lane.wake
            lane.sending.append(take_batch(lane.queue, rows_max, bytes_max))

    # One batch

    async def _write(self, lane: Lane, batch: list[Change]) -> list[list[Change]]:
        """Send a batch; what has not met its end comes back as further batches."""
        batch = self._ours(batch)
        if not batch:
            return []
        worker = self.worker()
        sent_at = self._clock.monotonic()
        try:
            refused = await self.store.flush(lane.index, to_flush(worker, batch))
        except StoreUnavailable as error:
            log.warning("the database is unavailable, retrying: %s", error)
            return [await self._resolve(batch)]
        except RefusedData as error:
            return await self._isolate(batch, error)
        except Fenced:
            await self.fenced(worker)
            return [batch]
        if worker != self.worker():
            # Stored, but by a name that has died meanwhile: others continue these runs.
            refused = frozenset(change.run.id for change in batch)
        else:
            self.confirmed_at = max(self.confirmed_at, sent_at)
        self._finish(batch, refused)
        return []

    def _ours(self, batch: list[Change]) -> list[Change]:
        """The batch without runs that were dropped meanwhile."""
        for change in batch:
            if change.run.dropped:
                break
        else:
            return batch
        self._count_out([change for change in batch if change.run.dropped])
        return [change for change in batch if not change.run.dropped]

    def _finish(self, batch: list[Change], refused: frozenset[UUID] = frozenset()) -> None:
        self._count_out(batch)
        if refused:
            for run in dict.fromkeys(c.run for c in batch if c.run.id in refused):
                self.host.refused(run)
            batch = [change for change in batch if change.run.id not in refused]
        for change in batch:
            run = change.run
            run.stored = True
            if change.entries:
                run.acked = change.entries[-1].seq
        self.host.committed(batch)

    # After a lost connection

    async def _resolve(self, batch: list[Change]) -> list[Change]:
        """Find out what arrived and pass it on; what did not is returned."""
        arrivals = await self._arrived(batch)
        fate = judge(self.worker(), batch, arrivals)
        lost = {*fate.refused, *fate.behind}
        self._count_out([change for change in batch if change.run in lost])
        for run in fate.refused:
            self.host.refused(run)
        for run in fate.behind:
            self.host.behind(run)
        if fate.kept:
            self._finish(fate.kept)
        return fate.missing

    async def _arrived(self, batch: list[Change]) -> dict[UUID, Arrival]:
        runs = list({change.run.id: None for change in batch})
        backoff = Backoff(0.02, 2.0)
        while True:
            await backoff.wait()
            try:
                return await self.store.arrived(runs)
            except StoreUnavailable as error:
                if backoff.loud:
                    log.warning("the database is still unavailable: %s", error)

    # After refused data

    async def _isolate(self, batch: list[Change], error: RefusedData) -> list[list[Change]]:
        """Halve the batch by runs, until the one that carries the value stands
        alone; the others commit."""
        groups = by_run(batch)
        if len(groups) == 1:
            return await self._condemn(batch, error)
        middle = len(groups) // 2
        halves = (groups[:middle], groups[middle:])
        return [[change for changes in half for change in changes] for half in halves]

    async def _condemn(self, batch: list[Change], error: RefusedData) -> list[list[Change]]:
        """Give up one run, unless what it wanted to write is there after all."""
        missing = await self._resolve(batch)
        if not missing:
            return []
        self._count_out(missing)
        run = missing[0].run
        if not run.stored:
            self.host.unstorable(run, error)
            return []
        if missing[-1].end is not None and missing[-1].end.state == RunState.QUARANTINED:
            log.error("run %s could not even be quarantined: %s", run.id, error)
            self.host.refused(run)
            return []
        reason = f"the database refused what this run wanted to record: {error}"
        change = quarantine(self.host.condemned(run), reason)
        self.unflushed_rows += 1
        self.unflushed_bytes += change.size
        return [[change]]

    def _count_out(self, changes: list[Change]) -> None:
        rows = size = 0
        for change in changes:
            rows += 1 + len(change.entries)
            size += change.size
        self.unflushed_rows -= rows
        self.unflushed_bytes -= size
        self.host.wake()
