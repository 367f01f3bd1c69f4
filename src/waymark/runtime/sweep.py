"""The continuous search for runs that nobody executes.

Each look declares expired workers dead, claims what is free up to this process's
capacity, and recovers it from its journal; graphs that this process does not know
are fetched, and their runs marked blocked, with the reason, when it cannot serve
them. It is neither a job nor only done at start, so it cannot be orphaned itself.

A look is one question (`Store.look`); what it answers says whether another is needed.
Runs that sleep are claimed up to two looks ahead, so that each is in memory when its
time comes, and the timer there keeps it exactly; so are those that are to begin later
(`delayed`).

A database that comes back without its last commits may say that a run is ours that we
have closed: nobody else would ever look for it. So after each loss of a connection, runs
that the database says are ours and memory does not know are given back, and those that
it says are not are forgotten.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from uuid import UUID

from ..engine.outcomes import Advance
from ..errors import Fenced, RecoveryMismatch, StoreUnavailable, ValueDecodeError
from ..settings import Settings
from ..store.records import AttemptRow, ClaimedRun, JournalRow, Message, RunState, SnapshotRow
from ..store.tasks import TaskRow
from .backing import Backing
from .damage import damage
from .deaths import GRACE_SECONDS, Deaths
from .delayed import Delayed
from .live_run import LiveRun
from .nudge import Nudge
from .programs import Programs
from .resting import Resting
from .scheduler import Scheduler
from .suspects import Suspects, guilt

log = logging.getLogger("waymark.sweep")

#: How often memory and store are made to agree when no loss was noticed.
RECONCILE_SECONDS = 60.0

#: Runs claimed and recovered in one go; between two of them the loop turns.
CLAIM_MAX = 100

#: Runs that sleep are claimed so many looks before they are due.
LOOKS_AHEAD = 2


class Sweep:
    """One task: `serve`."""

    def __init__(
        self,
        backing: Backing,
        settings: Settings,
        scheduler: Scheduler,
        programs: Programs,
        worker: Callable[[], UUID],
        fenced: Callable[[UUID], object],
        adopt: Callable[[LiveRun, Advance, Sequence[TaskRow]], Advance],
        delayed: Delayed,
    ) -> None:
        self._backing = backing
        self._store = backing.store
        self._settings = settings
        self._scheduler = scheduler
        self._programs = programs
        self._worker = worker
        self._fenced = fenced
        self._adopt = adopt
        self._delayed = delayed
        self._snapshots = scheduler.snapshots
        self._deaths = Deaths(backing, settings, scheduler.clock, worker)
        self._closed = False
        #: Set while nothing is under way.
        self.ended = asyncio.Event()
        self._resting = Resting(scheduler.clock.monotonic, settings.poll_seconds)
        self._suspects = Suspects(scheduler.runs)
        self.nudge = Nudge()
        #: Whether more could be claimed than there was room for.
        self.more = False
        #: Losses of the writer's connections after which strays were looked for; -1 when
        #: another connection was lost since.
        self._losses = 0
        self._reconcile_at = scheduler.clock.monotonic() + RECONCILE_SECONDS
        #: Claimed by this name, and not yet recovered.
        self._claimer: UUID | None = None
        #: Whether a claim was lost on its way, so that the next finds out what it took.
        self._in_doubt = False
        self._claimed: deque[ClaimedRun] = deque()

    async def serve(self) -> None:
        """Look until `close`."""
        self.ended.clear()
        try:
            await self._serve()
        finally:
            self.ended.set()

    def close(self) -> None:
        """Look no more; what is under way may end (`ended`)."""
        self._closed = True
        self.nudge.set()

    async def _serve(self) -> None:
        while not self._closed:
            worker = self._worker()
            try:
                claimed = await self.look()
            except StoreUnavailable as error:
                log.debug("cannot look for runs now: %s", error)
                self._deaths.missed()
                self._losses = -1
                await self._backing.revive()
                claimed = 0
            except Fenced:
                self._fenced(worker)
                claimed = 0
            if claimed < CLAIM_MAX:
                pause = self._settings.poll_seconds
                await self.nudge.wait(
                    min(pause, GRACE_SECONDS) if self._deaths.suspected else pause
                )

    async def look(self) -> int:
        """One look; returns how many runs were claimed."""
        queues = self._settings.queues
        clock, sent = self._scheduler.clock, self._scheduler.clock.monotonic()
        sight = await self._store.look(self._worker(), queues, self._ahead_seconds)
        clock.agree(sight.now_ns, sent, clock.monotonic())
        if await self._deaths.look(sight.workers):
            sight = await self._store.look(self._worker(), queues, self._ahead_seconds)
        if not queues:
            return 0
        await self._recover_claimed()
        await self._reconcile()
        if sight.mail:
            await self._read_inbox()
        await self._learn_graphs(sight.graphs)
        if not sight.graphs and not self._in_doubt:
            self.more = False
            return 0
        return await self._claim(queues)

    @property
    def _ahead_seconds(self) -> float:
        return LOOKS_AHEAD * self._settings.poll_seconds

    async def _reconcile(self) -> None:
        """After a loss, make memory and store agree on what is ours, and say again what was
        said to others."""
        losses, worker = self._scheduler.writer.losses, self._worker()
        now = self._scheduler.clock.monotonic()
        if losses == self._losses and now < self._reconcile_at:
            return
        # Also now and then without a loss: who has nothing to write notices none.
        self._reconcile_at = now + RECONCILE_SECONDS
        known = dict(self._scheduler.runs)  # Some end while the store is asked.
        held = [run for run in known.values() if run.stored and not run.closed]
        owned = await self._store.owned_runs(worker)
        if worker != self._worker():
            return
        there = set(owned)
        for run in held:
            if run.id not in there and not run.closed:
                self._scheduler.refused(run)
        strays = [
            run_id for run_id in owned if run_id not in known and run_id not in self._scheduler.runs
        ]
        if strays:
            log.warning("the database lost the ends of %d runs; they are recovered", len(strays))
            await self._store.free_runs(worker, strays)
        self._scheduler.children.cancel_again()
        self._losses = losses

    async def _read_inbox(self) -> None:
        """Let our runs hear what others ask of them. A message is forgotten when a
        later look finds its entry committed."""
        runs = self._scheduler.runs
        over: list[Message] = []
        for message, ended in await self._store.read_inbox(self._worker()):
            run = runs.get(message.run_id)
            if run is not None and self._delayed.hear(run, message):
                continue
            if ended or (run is not None and self._scheduler.hear(run, message)):
                over.append(message)
        if over:
            await self._store.forget_messages(over)

    async def _learn_graphs(self, graphs: Sequence[bytes]) -> None:
        served = set(self._programs.served)
        for hash in graphs:
            if hash in served:
                continue
            reason = await self._programs.load(hash)
            if reason is not None:
                await self._store.set_blocked(hash, reason)

    async def _claim(self, queues: Sequence[str]) -> int:
        room = self._settings.resident_runs_max - self._scheduler.held
        whole, resting = self._resting.now()
        graphs = [hash for hash in self._programs.served if hash not in whole]
        self.more = room <= 0
        if room <= 0 or not graphs or self._scheduler.draining:
            return 0
        limit = min(room, CLAIM_MAX)
        worker, now_ns = self._worker(), self._scheduler.clock.now_ns()
        held = self._suspects.held
        self._in_doubt = True
        claimed = await self._store.claim(
            worker, graphs, queues, limit, now_ns, held, self._ahead_seconds, resting
        )
        self._in_doubt = False
        self.more = len(claimed) == limit
        self._claimer = worker
        self._claimed.extend(claimed)
        await self._recover_claimed()
        return len(claimed)

    async def _recover_claimed(self) -> None:
        """Recover what was claimed. A run leaves the queue only when it is in memory:
        while our name lives, nobody else would ever look for it."""
        if not self._claimed:
            return
        snapshots = await self._snapshots.usable(self._claimed)
        after = {run_id: snapshot.seq for run_id, snapshot in snapshots.items()}
        journals = await self._store.read_journal([run.id for run in self._claimed], after)
        # Who owned one of them before may have asked others for help, or left reports.
        owned = [run.id for run in self._claimed if run.epoch > 1]
        tasks = await self._store.tasks.read(owned) if owned else {}
        reports = await self._scheduler.executor.reports.read(owned) if owned else {}
        while self._claimed:
            run = self._claimed[0]
            journal, helped = journals.get(run.id, []), tasks.get(run.id, [])
            told, snapshot = reports.get(run.id, []), snapshots.get(run.id)
            if self._still_ours() and not self._recover(run, journal, helped, told, snapshot):
                journal = (await self._store.read_journal([run.id])).get(run.id, [])
                if self._still_ours():
                    self._recover(run, journal, helped, told, None)
            if self._claimed:
                self._claimed.popleft()
            await asyncio.sleep(0)

    def _still_ours(self) -> bool:
        """Whether what was claimed is; with the name that claimed it, it became free."""
        if self._claimer != self._worker():
            self._claimed.clear()
        return bool(self._claimed)

    def _recover(
        self,
        claimed: ClaimedRun,
        journal: list[JournalRow],
        tasks: list[TaskRow],
        reports: list[AttemptRow],
        snapshot: SnapshotRow | None,
    ) -> bool:
        """Feed a claimed run its journal, or what is behind its snapshot; what is
        outstanding then starts again. False when the snapshot leads nowhere."""
        scheduler = self._scheduler
        if claimed.id in scheduler.runs:
            # Ours until the database took it from a name we no longer bear.
            scheduler.forget(scheduler.runs[claimed.id])
        session = self._programs.session(self._programs.loaded(claimed.graph), claimed.id)
        run = LiveRun(claimed.id, claimed.workflow, claimed.epoch, scheduler.writer.lane(), session)
        run.stored, run.parent, run.priority = True, claimed.parent, claimed.priority
        run.acked = journal[-1].seq if journal else snapshot.seq if snapshot else 0
        reason = guilt(claimed, journal)
        if reason is not None:
            scheduler.runs[run.id] = run
            scheduler.quarantine(run, reason)
            return True
        if not journal and snapshot is None and claimed.began_ns > scheduler.clock.now_ns():
            scheduler.runs[run.id] = run
            begin = partial(self._feed, run, claimed, journal, tasks, reports, snapshot)
            self._delayed.hold(run, claimed.began_ns, begin)
            return True
        return self._feed(run, claimed, journal, tasks, reports, snapshot)

    def _feed(
        self,
        run: LiveRun,
        claimed: ClaimedRun,
        journal: list[JournalRow],
        tasks: list[TaskRow],
        reports: list[AttemptRow],
        snapshot: SnapshotRow | None,
    ) -> bool:
        """Let the engine take the run over."""
        scheduler, session = self._scheduler, run.session
        assert session is not None
        now_ns = scheduler.clock.now_ns()
        began_ns = claimed.began_ns or now_ns
        now_ns, payload = max(now_ns, began_ns), None if snapshot is None else snapshot.payload
        try:
            advance = session.recover(claimed.input, began_ns, journal, now_ns, payload)
            if advance.entries[0].seq != run.acked + 1:
                raise RecoveryMismatch(f"it is not of entry {run.acked}")
            scheduler.executor.reports.recover(run, journal, reports)
            adopted = self._adopt(run, advance, tasks) if tasks else advance
        except Exception as error:  # noqa: BLE001  # one run's trouble stays its own
            if payload is None:
                self._unrecovered(run, claimed, journal, error)
                return True
            log.warning("run %s is recovered without its snapshot: %s", run.id, error)
            return False
        self._resting.recovered(run.id)
        self._snapshots.recovered(run, snapshot)
        scheduler.admit(run, self._suspects.recovered(run, claimed, adopted))
        return True

    def _unrecovered(
        self, run: LiveRun, claimed: ClaimedRun, journal: list[JournalRow], error: Exception
    ) -> None:
        """A journal cannot be fed: with other code it may be, or never."""
        scheduler = self._scheduler
        scheduler.runs[run.id] = run
        damaged = damage(claimed, journal)
        if damaged is not None:
            scheduler.quarantine(run, damaged)
        elif isinstance(error, ValueDecodeError):
            self._resting.rest(run.id, claimed.graph)
            scheduler.release(run, RunState.BLOCKED, str(error))
        else:
            log.error("run %s cannot be recovered", run.id, exc_info=error)
            scheduler.quarantine(run, f"{type(error).__name__}: {error}")
