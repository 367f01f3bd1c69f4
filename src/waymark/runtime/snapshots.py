"""When the memory of a run is written, and when it is read.

A run with a long journal would take long to recover. So now and then its state is written
(`engine.snapshot`), and recovery begins there. Nothing depends on it: the journal stays
whole, and a snapshot that is missing, unreadable or doubtful costs time.

Rules

1.  One is due when a run has `snapshot_entries` more entries than at its last, and these
    are, by a low estimate, more bytes than the last snapshot. So all snapshots of a run
    together are at most some times as large as its journal, whatever its state is; a
    large state is written the more rarely, or never. A state that cannot be written is
    tried again later.
2.  It is looked for from time to time, not with every entry, so that the way of an outcome
    knows nothing of it. Only runs in memory are looked at: parking writes none.
3.  It is taken between two inputs, when entries may be on their way, and is sent once
    these are committed. The store refuses it from anyone but the owner at its epoch, or
    without its last entry.
4.  A state is written in one piece, while the loop stands still, and takes some 30 microseconds
    for each call that it holds; each of a wide gather is one. To read it again takes longer than to
    feed as many entries. So a state with many calls has to have many entries behind it, and one
    with very many is not written before it has fewer.
5.  A run that is given back with a long journal behind is written first.
6.  Recovery trusts one that this engine on this Python wrote for the same graph, whose
    bytes are whole, and that does not belong to a run which crashed again and again. When
    it fails to lead to where the journal goes on, the whole journal is fed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

import anyio

from ..engine.effects import signed_crc
from ..engine.snapshot import WRITER, NoSnapshot
from ..errors import StoreUnavailable
from ..settings import Settings
from ..store.protocol import Store
from ..store.records import ClaimedRun, SnapshotRow
from .live_run import LiveRun
from .nudge import Nudge
from .scheduler import Scheduler

log = logging.getLogger("waymark.snapshots")

#: What an entry takes in the journal at the least.
ENTRY_BYTES = 64
#: A snapshot is not written that is so many times what it spares.
SHARE_MAX = 4
#: Calls that a state may hold (`Parts.weight`): the first number in any case, beyond it
#: one for so many entries since its last snapshot, and never more than the last number.
CALLS, ENTRIES_PER_CALL, CALLS_MAX = 1_000, 8, 5_000
#: Crashes in a row after which a snapshot is not used any more: it might be what kills.
CRASHES_MAX = 1
#: How long leaving runs may wait for their snapshots.
HAND_OVER_SECONDS = 2.0
HAND_OVER_LOOK_SECONDS = 0.02


class _Last(NamedTuple):
    """The last snapshot of a run, and the entry from which on another is tried."""

    seq: int
    size: int
    again_at: int


class Snapshots:
    """Those of the runs in memory. One task: `serve`."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        scheduler: Scheduler,
        worker: Callable[[], UUID],
    ) -> None:
        self._store = store
        self._least = settings.snapshot_entries
        self._bytes_max = settings.payload_bytes_max
        self._pause = settings.poll_seconds
        self._scheduler = scheduler
        self._worker = worker
        self._nudge = Nudge()
        self._last: dict[LiveRun, _Last] = {}
        #: Taken, and not sent yet.
        self._taken: dict[LiveRun, SnapshotRow] = {}

    async def serve(self) -> None:
        """Look now and then until cancelled."""
        while True:
            await self._nudge.wait(self._pause)
            try:
                await self._forget()
                await self.look(self._scheduler.runs.values())
            except StoreUnavailable as error:
                log.debug("no snapshot can be written now: %s", error)

    async def look(self, runs: Iterable[LiveRun], least: int | None = None) -> None:
        """Take the snapshots that are due of `runs`, and send those whose entries are
        committed. With `least` one is due after so many entries, however large the last
        was."""
        for run in [run for run in runs if self._due(run, least)]:
            self._take(run)
            await self._send(run)
            await asyncio.sleep(0)
        for run in list(self._taken):
            await self._send(run)

    def behind(self, runs: Iterable[LiveRun]) -> list[LiveRun]:
        """Those of `runs` whose next owner would have much to feed."""
        return [run for run in runs if run in self._taken or self._due(run, self._least)]

    async def hand_over(self, leaving: Sequence[LiveRun]) -> None:
        """Write runs that are about to be given back."""
        least = self._least
        with anyio.move_on_after(HAND_OVER_SECONDS):
            try:
                await self.look(leaving, least)
                while any(run in self._taken for run in leaving):
                    await anyio.sleep(HAND_OVER_LOOK_SECONDS)
                    await self.look((), least)
            except StoreUnavailable as error:
                log.debug("runs are given back without a snapshot: %s", error)

    # Writing

    def _due(self, run: LiveRun, least: int | None) -> bool:
        if run.acked < self._least or run.closed or run in self._taken:
            return False
        last = self._last.get(run)
        if last is not None:
            due = run.acked - last.seq >= least if least is not None else run.acked >= last.again_at
            if not due:
                return False
        return not self._too_heavy(run, run.acked - (last.seq if last else 0))

    def _too_heavy(self, run: LiveRun, entries: int) -> bool:
        bound = min(max(CALLS, entries // ENTRIES_PER_CALL), CALLS_MAX)
        return run.session is not None and run.session.parts.weight > bound

    def _take(self, run: LiveRun) -> None:
        session = run.session
        last = self._last.get(run, _Last(0, 0, 0))
        if session is None:
            return
        try:
            seq, graph, payload = session.seq, session.program.hash, session.snapshot()
        except NoSnapshot as refusal:
            log.debug("no snapshot of run %s now: %s", run.id, refusal)
            again_at = session.seq + max(1, self._least // 4)
            self._last[run] = last._replace(again_at=again_at)
            return
        size = len(payload)
        entries = max(self._least, size // ENTRY_BYTES)
        if size > min(self._bytes_max, (seq - last.seq) * ENTRY_BYTES * SHARE_MAX):
            # More than there is to feed: it pays later, if ever.
            self._last[run] = _Last(last.seq, size, last.seq + entries)
            return
        self._last[run] = _Last(seq, size, seq + entries)
        self._scheduler.executor.reports.save(run)
        digest = signed_crc(payload)
        self._taken[run] = SnapshotRow(run.id, seq, run.epoch, graph, WRITER, digest, payload)

    async def _send(self, run: LiveRun) -> None:
        """Send what was taken of a run, if its entries are committed. What is lost on
        its way is sent again."""
        snapshot = self._taken.get(run)
        if snapshot is None:
            return
        if run.dropped or self._scheduler.runs.get(run.id) is not run:
            del self._taken[run]
        elif run.acked >= snapshot.seq and self._scheduler.executor.reports.is_saved(run):
            kept = await self._store.put_snapshot(self._worker(), snapshot)
            self._taken.pop(run, None)
            if not kept:
                log.debug("the snapshot of run %s is refused", run.id)

    async def _forget(self) -> None:
        """Remove the snapshots of runs that ended here."""
        runs = self._scheduler.runs
        gone = [run for run in self._last if runs.get(run.id) is not run]
        if gone:
            await self._store.forget_snapshots([run.id for run in gone])
        for run in gone:
            self._last.pop(run, None)
            self._taken.pop(run, None)

    # Reading

    async def usable(self, claimed: Iterable[ClaimedRun]) -> dict[UUID, SnapshotRow]:
        """The snapshots from which claimed runs may be recovered."""
        graphs = {run.id: run.graph for run in claimed if run.crashes <= CRASHES_MAX}
        found = await self._store.read_snapshots(list(graphs)) if graphs else {}
        return {run_id: row for run_id, row in found.items() if _is_usable(row, graphs[run_id])}

    def recovered(self, run: LiveRun, snapshot: SnapshotRow | None) -> None:
        """A run was recovered, from its snapshot if it has one."""
        if snapshot is not None:
            size = len(snapshot.payload)
            entries = max(self._least, size // ENTRY_BYTES)
            self._last[run] = _Last(snapshot.seq, size, snapshot.seq + entries)


def _is_usable(snapshot: SnapshotRow, graph: bytes) -> bool:
    wrong = None
    if snapshot.writer != WRITER:
        wrong = f"it is of {snapshot.writer}, this is {WRITER}"
    elif snapshot.graph != graph:
        wrong = "it is of another graph"
    elif signed_crc(snapshot.payload) != snapshot.digest:
        wrong = "it is damaged"
    if wrong is not None:
        log.info("the snapshot of run %s is not used: %s", snapshot.run_id, wrong)
    return wrong is None
