"""A store over a `MemoryDatabase`. See `store.protocol` for what it promises.

Nothing here survives the process, yet all else is as in Postgres: the fence,
epochs, refusals, claims. Each call gives way to the loop once, before it does
anything, so that code which holds up the loop or forgets to await shows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import zip_longest
from math import inf
from uuid import UUID

from waymark.errors import Fenced, RefusedData
from waymark.store.reasons import readable_reason
from waymark.store.records import (
    BLOCKED_MAX,
    NO_ENTRIES,
    AttemptRow,
    ClaimedRun,
    EntryKind,
    Flush,
    JournalRow,
    Message,
    NewRun,
    Park,
    RunRow,
    RunState,
    SeenWorker,
    Sight,
    SnapshotRow,
)
from waymark.store.suspects import NONE_HELD, Held

from .database import MemoryDatabase, MemoryRun, admitted
from .tasks import MemoryTasks

#: What its column holds; a row damaged by hand may have reached it.
EPOCH_MAX = 2**31 - 1


class MemoryStore:
    """One process's view of a `MemoryDatabase`; several may share one."""

    label = "memory://"

    def __init__(self, database: MemoryDatabase | None = None, *, lanes: int = 2) -> None:
        self.database = database or MemoryDatabase()
        self.tasks = MemoryTasks(self.database)
        self.lanes = lanes
        self._notice: Callable[[str], None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._hinted: set[str] = set()

    async def open(self) -> None:
        if self not in self.database.stores:
            self.database.stores.append(self)

    async def close(self) -> None:
        self._notice = None
        if self in self.database.stores:
            self.database.stores.remove(self)

    # Graphs and workers

    async def put_graph(self, hash: bytes, workflow: str, document: str) -> None:
        await asyncio.sleep(0)
        self.database.graphs.setdefault(hash, (workflow, document))

    async def get_graph(self, hash: bytes) -> str | None:
        await asyncio.sleep(0)
        found = self.database.graphs.get(hash)
        return found[1] if found else None

    async def register_worker(self, worker: UUID, lease_seconds: float, about: str) -> int:
        await asyncio.sleep(0)
        now = self.database.now()
        self.database.workers[worker] = now + lease_seconds
        self.database.abouts[worker] = about
        return int(now * 1e9)

    async def beat(
        self, worker: UUID, lease_seconds: float, broken: Callable[[], None] | None = None
    ) -> bool:
        await asyncio.sleep(0)
        if worker not in self.database.workers:
            return False
        self.database.workers[worker] = self.database.now() + lease_seconds
        return True

    async def remove_worker(self, worker: UUID) -> None:
        await asyncio.sleep(0)
        self.database.workers.pop(worker, None)

    async def reap_workers(self, proven_dead: Sequence[UUID] = ()) -> list[UUID]:
        await asyncio.sleep(0)
        workers, now = self.database.workers, self.database.now()
        dead = [w for w, expires in workers.items() if expires < now or w in proven_dead]
        for worker in dead:
            del workers[worker]
        return dead

    # Writing runs

    async def flush(self, lane: int, batch: Flush) -> frozenset[UUID]:
        await asyncio.sleep(0)
        if batch.worker not in self.database.workers:
            raise Fenced(
                f"worker {batch.worker} was declared dead; nothing of this batch is stored"
            )
        self._check_new(batch)
        refused = self._refused(batch)
        self._check_journal(batch, refused)
        self._write(batch, refused)
        return frozenset(refused)

    def _check_new(self, batch: Flush) -> None:
        taken = self.database.runs
        if len({new.id for new in batch.runs}) < len(batch.runs):
            raise RefusedData("a batch creates a run twice")
        for new in batch.runs:
            if new.id in taken:
                raise RefusedData(f"there is a run {new.id} already")

    def _refused(self, batch: Flush) -> set[UUID]:
        """Runs of the batch that the worker does not own at the epoch it names."""
        runs, worker, refused = self.database.runs, batch.worker, set[UUID]()
        fresh = {new.id: new for new in batch.runs}
        for run_id, epoch in _epochs(batch):
            run = fresh.get(run_id) or runs.get(run_id)
            if run is None or run.owner != worker or run.epoch != epoch:
                refused.add(run_id)
        return refused

    def _check_journal(self, batch: Flush, refused: set[UUID]) -> None:
        """No entry is ever written over another: that would be a second outcome."""
        journal, coming = self.database.journal, set[tuple[UUID, int]]()
        for row in map(JournalRow._make, batch.entries):
            key = (row.run_id, row.seq)
            if row.run_id in refused:
                continue
            if key in coming or row.seq in journal.get(row.run_id, ()):
                raise RefusedData(f"run {row.run_id} already has a journal entry {row.seq}")
            coming.add(key)

    def _write(self, batch: Flush, refused: set[UUID]) -> None:
        database = self.database
        for new in batch.runs:
            database.insert(new)
        for row in map(JournalRow._make, batch.entries):
            if row.run_id not in refused:
                database.journal.setdefault(row.run_id, {})[row.seq] = row
        for end in batch.ends:
            if end.id not in refused:
                final = end.state >= RunState.SUCCEEDED
                result = end.result if final else None
                reason = None if final else readable_reason(end.result)
                database.settle(database.runs[end.id], end.state, result, reason)
        for release in batch.releases:
            if release.id not in refused:
                reason = readable_reason(release.reason) or None
                database.settle(database.runs[release.id], release.state, None, reason)
        database.wake(batch.wakes)

    async def park(self, lane: int, worker: UUID, parks: Sequence[Park]) -> frozenset[UUID]:
        await asyncio.sleep(0)
        if worker not in self.database.workers:
            raise Fenced(f"worker {worker} was declared dead; it may let nothing sleep")
        return frozenset(park.id for park in parks if self._park(worker, park))

    def _park(self, worker: UUID, park: Park) -> bool:
        runs = self.database.runs
        run = runs.get(park.id)
        if run is None or run.owner != worker or run.epoch != park.epoch:
            return False
        if run.state != RunState.RUNNING or any(to == run.id for to, _ in self.database.inbox):
            return False
        for child_id in park.children:
            child = runs.get(child_id)
            if child is None or child.state >= RunState.SUCCEEDED or child.parent != run.id:
                return False
        run.owner, run.state = None, RunState.WAITING
        run.wake_at = inf if park.wake_ns is None else park.wake_ns // 1000 / 1e6
        return True

    async def submit(self, run: NewRun) -> bool:
        await asyncio.sleep(0)
        if run.id in self.database.runs:
            return False
        self.database.insert(run)
        return True

    # Finding runs

    async def arrived(self, runs: Sequence[UUID]) -> dict[UUID, tuple[int, int, int, UUID | None]]:
        await asyncio.sleep(0)
        found: dict[UUID, tuple[int, int, int, UUID | None]] = {}
        for run_id in runs:
            run = self.database.runs.get(run_id)
            if run is not None:
                last = max(self.database.journal.get(run_id, ()), default=0)
                found[run_id] = (last, run.state, run.epoch, run.owner)
        return found

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
        await asyncio.sleep(0)
        database = self.database
        if worker not in database.workers:
            raise Fenced(f"worker {worker} was declared dead; it may claim nothing")
        served, wanted, left = set(graphs), set(queues), set(resting)
        kinds = (database.claimable(), database.due(ahead_seconds))
        free, due = (
            [r for r in kind if r.graph in served and r.queue in wanted and r.id not in left]
            for kind in kinds
        )
        free.sort(key=_urgency)
        due.sort(key=_urgency)
        in_turn = [run for pair in zip_longest(free, due) for run in pair if run is not None]
        allowed = admitted([(run, database.crashes_of(run)) for run in in_turn], held)
        return [_take(database, run, worker, now_ns, crashes) for run, crashes in allowed[:limit]]

    async def look(self, worker: UUID, queues: Sequence[str], ahead_seconds: float = 0.0) -> Sight:
        await asyncio.sleep(0)
        database = self.database
        now, silent = database.now(), database.silent
        workers = database.workers.items()
        unserved = [*database.claimable(), *database.due(ahead_seconds)]
        return Sight(
            int(now * 1e9),
            [SeenWorker(worker, expires < now, worker in silent) for worker, expires in workers],
            any(self._readable(message.run_id, worker) for message in database.inbox.values()),
            list({run.graph: None for run in unserved if run.queue in queues}),
        )

    async def set_blocked(self, graph: bytes, reason: str) -> None:
        await asyncio.sleep(0)
        database, why = self.database, readable_reason(reason)
        untold = [
            run
            for run in [*database.claimable(), *database.due(0.0)]
            if run.graph == graph and (run.state, run.reason) != (RunState.BLOCKED, why)
        ]
        for run in untold[:BLOCKED_MAX]:
            run.owner = run.wake_at = None
            run.state = RunState.BLOCKED
            run.reason = why

    async def owned_runs(self, worker: UUID) -> list[UUID]:
        await asyncio.sleep(0)
        return [run.id for run in self.database.live.values() if run.owner == worker]

    async def free_runs(self, worker: UUID, runs: Sequence[UUID]) -> None:
        await asyncio.sleep(0)
        for run_id in runs:
            run = self.database.live.get(run_id)
            if run is not None and run.owner == worker:
                run.owner, run.state = None, RunState.READY

    async def read_journal(
        self, runs: Sequence[UUID], after: Mapping[UUID, int] = NO_ENTRIES
    ) -> dict[UUID, list[JournalRow]]:
        await asyncio.sleep(0)
        journal = self.database.journal
        found = {
            run_id: [rows[seq] for seq in sorted(rows) if seq > after.get(run_id, 0)]
            for run_id in runs
            if (rows := journal.get(run_id))
        }
        return {run_id: entries for run_id, entries in found.items() if entries}

    async def put_snapshot(self, worker: UUID, snapshot: SnapshotRow) -> bool:
        await asyncio.sleep(0)
        database, run_id = self.database, snapshot.run_id
        run = database.runs.get(run_id)
        ours = run is not None and (run.owner, run.epoch) == (worker, snapshot.epoch)
        known = snapshot.seq in database.journal.get(run_id, ())
        if not ours or not known or worker not in database.workers:
            return False
        kept = database.snapshots.setdefault(run_id, {})
        for seq in [seq for seq in kept if seq < snapshot.seq]:
            del kept[seq]
        kept.setdefault(snapshot.seq, snapshot)
        return True

    async def read_snapshots(self, runs: Sequence[UUID]) -> dict[UUID, SnapshotRow]:
        await asyncio.sleep(0)
        kept = self.database.snapshots
        return {run_id: kept[run_id][max(kept[run_id])] for run_id in runs if kept.get(run_id)}

    async def forget_snapshots(self, runs: Sequence[UUID]) -> None:
        await asyncio.sleep(0)
        for run_id in runs:
            if (
                run_id in self.database.runs
                and self.database.runs[run_id].state >= RunState.SUCCEEDED
            ):
                self.database.snapshots.pop(run_id, None)

    async def read_runs(self, runs: Sequence[UUID]) -> dict[UUID, RunRow]:
        await asyncio.sleep(0)
        rows = self.database.runs
        return {run_id: _row(run) for run_id in runs if (run := rows.get(run_id))}

    # Reports of attempts

    async def write_attempts(self, worker: UUID, rows: Sequence[AttemptRow]) -> None:
        await asyncio.sleep(0)
        if worker not in self.database.workers:
            return
        for row in rows:
            run = self.database.runs.get(row.run_id)
            if run is not None and (run.owner, run.epoch) == (worker, row.epoch):
                self.database.attempts[row.run_id, row.effect] = row

    async def read_attempts(self, runs: Sequence[UUID]) -> list[AttemptRow]:
        await asyncio.sleep(0)
        asked, epochs = set(runs), self.database.runs
        return [
            row._replace(epoch=epochs[run_id].epoch)
            for (run_id, _), row in sorted(self.database.attempts.items())
            if run_id in asked
        ]

    async def forget_attempts(self, calls: Sequence[tuple[UUID, int | None]]) -> None:
        await asyncio.sleep(0)
        attempts, runs = self.database.attempts, self.database.runs
        for run_id, effect in calls:
            if effect is not None:
                attempts.pop((run_id, effect), None)
            elif run_id in runs and runs[run_id].state >= RunState.SUCCEEDED:
                for key in [key for key in attempts if key[0] == run_id]:
                    del attempts[key]

    # Messages

    async def send(self, messages: Sequence[Message]) -> None:
        await asyncio.sleep(0)
        for message in messages:
            key = (message.run_id, message.key)
            if self.database.inbox.setdefault(key, message) is message:
                self.database.sent_at[key] = self.database.now()
        self.database.wake(
            {
                message.run_id: None
                for message in messages
                if message.kind == EntryKind.CANCEL or not self._to_begin(message.run_id)
            }
        )

    def _to_begin(self, run_id: UUID) -> bool:
        """Whether a run is not to begin yet."""
        run = self.database.runs.get(run_id)
        return run is not None and run.began_ns > self.database.now() * 1e9

    async def read_inbox(self, worker: UUID) -> list[tuple[Message, bool]]:
        await asyncio.sleep(0)
        runs = self.database.runs
        return [
            (message, runs[message.run_id].state >= RunState.SUCCEEDED)
            for message in self.database.inbox.values()
            if self._readable(message.run_id, worker)
        ][:1000]

    def _readable(self, run_id: UUID, worker: UUID) -> bool:
        run = self.database.runs.get(run_id)
        return run is not None and (run.owner == worker or run.state >= RunState.SUCCEEDED)

    async def forget_messages(self, messages: Sequence[Message]) -> None:
        await asyncio.sleep(0)
        for message in messages:
            self.database.remove_message((message.run_id, message.key))

    # Retention

    async def remove_finished(
        self, seconds: float, runs_max: int, entries_max: int
    ) -> tuple[int, int]:
        await asyncio.sleep(0)
        return self.database.remove_finished(seconds, runs_max, entries_max)

    async def remove_unheard(self, seconds: float) -> None:
        await asyncio.sleep(0)
        database = self.database
        until = database.now() - seconds
        for key, sent_at in list(database.sent_at.items()):
            if sent_at < until and key[0] not in database.runs:
                database.remove_message(key)

    # Hints

    def listen(self, notice: Callable[[str], None]) -> None:
        self._notice = notice
        self._loop = asyncio.get_running_loop()

    def hint(self, topic: str) -> None:
        for store in self.database.stores:
            if store is not self:
                store.receive_hint(topic)

    def receive_hint(self, topic: str) -> None:
        """Called by another store: notices `topic` in this store's own loop."""
        loop = self._loop
        if self._notice is None or loop is None or loop.is_closed() or topic in self._hinted:
            return
        self._hinted.add(topic)
        loop.call_soon_threadsafe(self._deliver, topic)

    def _deliver(self, topic: str) -> None:
        self._hinted.discard(topic)
        if self._notice is not None:
            self._notice(topic)


def _epochs(batch: Flush) -> list[tuple[UUID, int]]:
    """What the batch believes about the runs it writes to, each pair once."""
    believed = {(run, epoch) for run, _, epoch, *_ in batch.entries}
    believed.update((end.id, end.epoch) for end in batch.ends)
    believed.update((release.id, release.epoch) for release in batch.releases)
    return list(believed)


def _take(
    database: MemoryDatabase, run: MemoryRun, worker: UUID, now_ns: int, crashes: int
) -> ClaimedRun:
    if run.owner is not None:
        run.crash_seq = max(database.journal.get(run.id, ()), default=0)
    run.crashes = crashes
    run.owner = worker
    run.epoch = run.epoch + 1 if 1 <= run.epoch < EPOCH_MAX else 2
    run.state = RunState.RUNNING
    run.reason = run.wake_at = None
    run.began_ns = run.began_ns or now_ns
    return ClaimedRun(
        run.id,
        run.workflow,
        run.graph,
        run.queue,
        run.epoch,
        run.began_ns,
        run.input,
        run.parent,
        crashes,
        run.priority,
    )


def _urgency(run: MemoryRun) -> int:
    return -run.priority


def _row(run: MemoryRun) -> RunRow:
    submitted_at = datetime.fromtimestamp(run.submitted_at, UTC)
    finished_at = None if run.finished_at is None else datetime.fromtimestamp(run.finished_at, UTC)
    return RunRow(
        run.id,
        run.workflow,
        RunState.SCHEDULED if run.state == RunState.WAITING and not run.epoch else run.state,
        run.result,
        run.reason,
        run.owner,
        run.epoch,
        submitted_at,
        finished_at,
    )
