"""Group commit: what the engine decided becomes durable, then takes effect.

Rules

1.  Each run is pinned to a lane; a lane has one flush under way at a time. So
    the changes of a run are committed in the order in which they were made. New runs
    go to the first lane, and to a further one only while it is crowded.
2.  While a flush commits, the lane's next batch fills. Nothing waits for a batch
    to become full: an idle lane flushes at once, a busy one in large batches.
3.  After a commit the changes go to `committed`, which only queues them: the
    writer builds the next flush before anybody acts on the last (no lockstep).
4.  A flush that may or may not have arrived is looked up before it is sent
    again; changes leave the writer as committed, refused or failed, never lost.
5.  A worker that was declared dead writes nothing more under its name. Runs that
    were stored belong to others then; submissions that were not are ours still,
    and travel under the new name.

6.  After a lost connection no run writes before it was looked up.

Theory of a lost connection. `flush` is atomic. So for each run of the batch its
row tells whether this flush arrived (`batch.judge`). An old backend may commit
after we looked; the resend then meets its own rows and is refused for its data,
which is why a batch of one run is looked up once more before it is quarantined.

The server that answers next need not have all that the last one acknowledged: a
standby that lagged behind took over, or it crashed without `synchronous_commit`. A
run whose memory is ahead of its journal would write past a gap. So each run of the
lane, also one that has nothing under way, is doubted (`Lane.doubted`) until it was
looked up, which is done when it next has something to write. One that is ahead is
given back, to be recovered from what there is (`WriterHost.behind`).

A flush that fails again and again, although the server answers otherwise, is too
much for it (a time limit, memory), or stands behind one that is: it is halved.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol
from uuid import UUID

from ..errors import Fenced, RefusedData, StoreUnavailable
from ..settings import Settings
from ..store.protocol import Store
from ..store.records import Park, RunState
from .backoff import Backoff
from .batch import Arrival, by_run, judge, take_batch, take_parks, to_flush
from .clock import Clock
from .live_run import Change, LiveRun, quarantine

log = logging.getLogger("waymark.writer")

#: Pauses between two tries to reach the database. The longest bounds what a restart of
#: it costs beyond its own time.
RETRY_SECONDS = 0.02
RETRY_SECONDS_MAX = 1.0

#: A flush that has failed so often is halved.
FAILURES_BEFORE_HALVES = 6


_NONE: frozenset[UUID] = frozenset()


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

    def stored_runs(self, lane: int) -> Iterable[LiveRun]:
        """The runs in memory of a lane that were stored."""
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
    the writer's task. `backoff` is there while flushes fail."""

    __slots__ = ("backoff", "doubted", "index", "parks", "queue", "sending", "wake")

    def __init__(self, index: int) -> None:
        self.index = index
        self.backoff: Backoff | None = None
        #: Runs that were not looked up since a connection was lost.
        self.doubted: set[LiveRun] = set()
        self.queue: list[Change] = []
        #: Runs that are to sleep, each the last change of its run.
        self.parks: list[Change] = []
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
        #: Puts back what runs depend on and the store may have lost.
        self.restore: Callable[[], Awaitable[None]] | None = None
        self.lanes = [Lane(index) for index in range(store.lanes)]
        #: So many changes that wait make a lane crowded.
        self._crowd = max(1, settings.flush_rows_max // 2)
        #: How often a lane lost its connection and found it again.
        self.losses = 0
        #: Rows and bytes handed over and not yet committed.
        self.unflushed_rows = 0
        self.unflushed_bytes = 0
        #: `Clock.monotonic` at which the last confirmed flush was sent.
        self.confirmed_at = clock.monotonic()
        self._clock = clock
        #: Whether a run that is to sleep may do so still.
        self.still_waits: Callable[[LiveRun], bool] = lambda run: run.settled
        #: Told of runs that were to sleep and do not.
        self.stays: Callable[[LiveRun], None] = lambda run: None

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is under way."""
        return not any(lane.queue or lane.parks or lane.sending for lane in self.lanes)

    def lane(self) -> int:
        """The lane for a new run. A flush costs this process some hundred microseconds,
        whatever it carries, and the server a commit: so the first one that has room in
        its next flush, and a further one only when those before it are crowded."""
        for lane in self.lanes:
            if len(lane.queue) < self._crowd:
                return lane.index
        return min(self.lanes, key=lambda lane: len(lane.queue)).index

    @property
    def congested(self) -> bool:
        """Whether unflushed rows or bytes are at their bound."""
        return (
            self.unflushed_rows >= self.settings.unflushed_rows_max
            or self.unflushed_bytes >= self.settings.unflushed_bytes_max
        )

    def put(self, change: Change) -> None:
        """Hand over a change. Order within a run is the order of the calls."""
        lane = self.lanes[change[0].lane]
        lane.queue.append(change)
        self.unflushed_rows += 1 + len(change[2])
        self.unflushed_bytes += change[6]
        wake = lane.wake
        if wake is not None:
            lane.wake = None
            if not wake.done():
                wake.set_result(None)

    def forget_dropped(self, lane: Lane) -> None:
        """Take what is never to be sent out of a queue that may stand still for long."""
        dropped = [change for change in lane.queue if change.run.dropped]
        if dropped:
            lane.queue = [change for change in lane.queue if not change.run.dropped]
            self._count_out(dropped)

    def park(self, change: Change) -> None:
        """Let a run sleep that waits, once what is there to write now is written. It
        goes on until `committed` has it; `stays` is told if it does not come to that."""
        lane = self.lanes[change.run.lane]
        lane.parks.append(change)
        self.unflushed_rows += 1
        if lane.wake is not None and not lane.wake.done():
            lane.wake.set_result(None)
        lane.wake = None

    def withdraw(self) -> list[Change]:
        """Everything that was never sent, taken out of the queues."""
        withdrawn: list[Change] = []
        for lane in self.lanes:
            withdrawn += [*lane.queue, *lane.parks]
            lane.queue.clear()
            lane.parks.clear()
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
            if not lane.queue and not lane.parks:
                lane.wake = loop.create_future()
                await lane.wake
            if lane.parks:
                lane.sending.append(take_parks(lane.parks, rows_max))
            if lane.queue:
                lane.sending.append(take_batch(lane.queue, rows_max, bytes_max))

    # One batch

    async def _write(self, lane: Lane, batch: list[Change]) -> list[list[Change]]:
        """Send a batch; what has not met its end comes back as further batches."""
        batch = self._ours(batch)
        if lane.doubted:
            batch = await self._look_up(lane, batch)
        if not batch:
            return []
        worker = self.worker()
        sent_at = self._clock.monotonic()
        try:
            if type(batch[0].release) is Park:
                batch, refused = await self._park(lane, worker, batch), _NONE
                if not batch:
                    return []  # Nothing was asked, perhaps, and so nothing confirmed.
            else:
                refused = await self.store.flush(lane.index, to_flush(worker, batch))
        except StoreUnavailable as error:
            return await self._after_loss(lane, batch, error)
        except RefusedData as error:
            return await self._isolate(lane, batch, error)
        except Fenced:
            await self.fenced(worker)
            return [batch]
        if worker != self.worker():
            # Stored, but by a name that has died meanwhile: others continue these runs.
            refused = frozenset(change.run.id for change in batch)
        else:
            self.confirmed_at = max(self.confirmed_at, sent_at)
        lane.backoff = None
        self._finish(batch, refused)
        return []

    async def _park(self, lane: Lane, worker: UUID, batch: list[Change]) -> list[Change]:
        """Let runs sleep that still may; returns the changes of those that do."""
        parks = [
            change.release
            for change in batch
            if self.still_waits(change.run) and type(change.release) is Park
        ]
        asleep = await self.store.park(lane.index, worker, parks) if parks else _NONE
        awake = [change for change in batch if change.run.id not in asleep]
        self._count_out(awake)
        for change in awake:
            self.stays(change.run)
        return [change for change in batch if change.run.id in asleep]

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
        for run, _, entries, _, _, _, _ in batch:
            run.stored = True
            if entries:
                run.acked = entries[-1].seq
        self.host.committed(batch)

    # After a lost connection

    async def _after_loss(
        self, lane: Lane, batch: list[Change], error: StoreUnavailable
    ) -> list[list[Change]]:
        """Wait until the store answers; what did not arrive comes back."""
        if lane.backoff is None:
            lane.backoff = Backoff(RETRY_SECONDS, RETRY_SECONDS_MAX)
        await lane.backoff.wait()
        if lane.backoff.loud:
            log.warning("the database is unavailable, retrying: %s", error)
        arrivals = await self._arrived(batch, lane.backoff, self.restore)
        lane.doubted = set(self.host.stored_runs(lane.index))
        self.losses += 1
        missing = self._sort_out(lane, batch, arrivals)
        if lane.backoff.count < FAILURES_BEFORE_HALVES:
            return [missing]
        return _halves(by_run(missing))

    async def _look_up(self, lane: Lane, batch: list[Change]) -> list[Change]:
        """The batch without runs of which the store lost what it had acknowledged."""
        if lane.doubted.isdisjoint([change.run for change in batch]):
            return batch
        return await self._resolve(lane, batch)

    async def _resolve(self, lane: Lane, batch: list[Change]) -> list[Change]:
        """Find out what arrived and pass it on; what did not is returned."""
        backoff = lane.backoff or Backoff(RETRY_SECONDS, RETRY_SECONDS_MAX)
        return self._sort_out(lane, batch, await self._arrived(batch, backoff))

    def _sort_out(
        self, lane: Lane, batch: list[Change], arrivals: dict[UUID, Arrival]
    ) -> list[Change]:
        fate = judge(self.worker(), batch, arrivals)
        lost = {*fate.refused, *fate.behind}
        lane.doubted.difference_update([change.run for change in batch])
        self._count_out([change for change in batch if change.run in lost])
        for run in fate.refused:
            self.host.refused(run)
        for run in fate.behind:
            self.host.behind(run)
        if fate.kept:
            self._finish(fate.kept)
        return fate.missing

    async def _arrived(
        self,
        batch: list[Change],
        backoff: Backoff,
        before: Callable[[], Awaitable[None]] | None = None,
    ) -> dict[UUID, Arrival]:
        runs = list({change.run.id: None for change in batch})
        while True:
            try:
                if before is not None:
                    await before()
                return await self.store.arrived(runs)
            except StoreUnavailable as error:
                await backoff.wait()
                if backoff.loud:
                    log.warning("the database is still unavailable: %s", error)

    # After refused data

    async def _isolate(
        self, lane: Lane, batch: list[Change], error: RefusedData
    ) -> list[list[Change]]:
        """Halve the batch by runs, until the one that carries the value stands
        alone; the others commit."""
        groups = by_run(batch)
        if len(groups) == 1:
            return await self._condemn(lane, batch, error)
        return _halves(groups)

    async def _condemn(
        self, lane: Lane, batch: list[Change], error: RefusedData
    ) -> list[list[Change]]:
        """Give up one run, unless what it wanted to write is there after all."""
        missing = await self._resolve(lane, batch)
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
        # By position: this runs for every change.
        self.unflushed_rows -= len(changes) + sum([len(change[2]) for change in changes])
        self.unflushed_bytes -= sum([change[6] for change in changes])
        self.host.wake()


def _halves(groups: list[list[Change]]) -> list[list[Change]]:
    """One batch for each half of the runs; none for none."""
    middle = (len(groups) + 1) // 2
    halves = (groups[:middle], groups[middle:])
    return [[change for changes in half for change in changes] for half in halves if half]
