"""What attempts say of themselves: heartbeats, progress, when the first of a call began.

Rules

1.  In memory at once, in the database about once a second: one statement for all that
    changed, beside the flushes. A crash costs the progress of that time and nothing else.
    What attempts say that are made here for another process goes into their rows of `tasks`.
2.  A failed attempt's entry in the journal holds its report. So the row matters only for
    an attempt that a crash took, and one that is older than the journal is ignored.
3.  A snapshot spares its reader the entries before it. So it is sent only when each report
    that there was has a row (`save`).
4.  A row goes when the outcome of its call is committed, or its run has ended. Rows that a
    crash left over then go with the run's other rows.

The rows are written under the owner's name and epoch, but nothing depends on them that
the run itself could see.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

import orjson

from ..authoring.context import SAME, ActionContext
from ..authoring.registry import registry
from ..errors import StoreUnavailable, ValueEncodeError
from ..graph.policies import CallPolicy
from ..store.protocol import Store
from ..store.records import AttemptRow, JournalRow
from ..store.tasks import ReportedTask
from ..values import plan_for
from .backoff import Backoff
from .clock import Clock
from .live_run import LiveRun
from .nudge import Nudge
from .report import Report, report_of, reports_of
from .time_limit import TimeLimit

if TYPE_CHECKING:
    from ..authoring.action import Action
    from .threads import ActionThreads

log = logging.getLogger("waymark.reports")

#: How long at least lies between two statements.
WRITE_SECONDS = 1.0

#: Rows of one statement; the others wait for the next.
ROWS_MAX = 500

#: The largest encoded progress.
PROGRESS_BYTES_MAX = 256 * 1024


class Reports:
    """Those of this process. `serve` writes them."""

    def __init__(self, store: Store, worker: Callable[[], UUID], clock: Clock) -> None:
        self._store = store
        #: All runs in memory.
        self.runs: dict[UUID, LiveRun] = {}
        self._worker = worker
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        #: What has changed since it was written. Added to by threads as well.
        self._changed: dict[tuple[LiveRun, int], None] = {}
        #: Rows that may be in the database: by effect the entry at whose commit the row
        #: goes, None while the call is not over.
        self._rows: dict[LiveRun, dict[int, int | None]] = {}
        #: What a snapshot waits for.
        self._asked: dict[LiveRun, set[int]] = {}
        #: Finds the stand-in for the run of an attempt that is made here for another
        #: process; its epoch is the number of the claim.
        self.guest: Callable[[UUID, int], LiveRun | None] = lambda run_id, effect: None
        self._nudge = Nudge()
        #: Held while rows are on their way.
        self._writing = asyncio.Lock()

    # What the executor and the actions say

    def limit(
        self,
        run: LiveRun,
        effect: int,
        attempt: int,
        policy: CallPolicy,
        action: Action[..., Any],
        threads: ActionThreads,
    ) -> TimeLimit:
        """The limits of an attempt that begins."""
        report = self._report(run, effect, attempt)
        began = lambda: self._change(run, effect)  # noqa: E731  # not worth a name
        return TimeLimit(threads, action, policy, self._clock, report, began)

    def heartbeat(self, attempt: ActionContext, progress: Any) -> None:
        """See `ActionContext.heartbeat`; called from any thread."""
        run = self._run(attempt)
        if run is None:
            raise asyncio.CancelledError("this attempt is over")
        payload = None if progress is SAME else _encoded(progress)
        if payload is None and run.reports is None:
            return  # Nobody waits for its beats.
        known = None if run.reports is None else run.reports.get(attempt.effect)
        if known is not None and attempt.attempt <= known.over:
            raise asyncio.CancelledError("this attempt is over, and the next one is to begin")
        report = self._report(run, attempt.effect, attempt.attempt)
        report.beaten_at = self._clock.monotonic()
        if payload is not None and payload != report.progress:
            report.progress = payload
            self._change(run, attempt.effect)

    def progress(self, attempt: ActionContext) -> Any:
        """See `ActionContext.progress`; called from any thread."""
        run = self._run(attempt)
        report = None if run is None or run.reports is None else run.reports.get(attempt.effect)
        if report is None or report.progress is None:
            return None
        return plan_for(Any, registry.types).loads(report.progress)

    def _run(self, attempt: ActionContext) -> LiveRun | None:
        """The run of an attempt that is not over."""
        run = self.runs.get(attempt.run_id)
        if run is None or run.attempts.get(attempt.effect) is None:
            # Of another's run, or of one of ours whose call was offered and taken back.
            run = self.guest(attempt.run_id, attempt.effect) or run
        wanted = run is not None and not run.closed and attempt.effect in run.attempts
        return run if wanted else None

    def _report(self, run: LiveRun, effect: int, attempt: int) -> Report:
        if run.reports is None:
            run.reports = {}
        report = run.reports.get(effect)
        if report is None:
            report = run.reports[effect] = Report(attempt)
        report.attempt = attempt
        return report

    def _change(self, run: LiveRun, effect: int) -> None:
        if (run, effect) not in self._changed:
            self._changed[run, effect] = None
            self._loop.call_soon_threadsafe(self._nudge.set)

    def adopt(self, run: LiveRun, effect: int, attempt: int, recorded: bytes) -> None:
        """What attempts up to this one said of themselves in another process."""
        told = report_of(attempt, recorded)
        if told is not None:
            report = self._report(run, effect, attempt)
            report.since_ns = report.since_ns or max(told.since_ns, 0)
            report.progress = report.progress if told.progress is None else told.progress

    def over(self, run: LiveRun, effect: int) -> None:
        """A call that may have reports has its outcome."""
        if run.reports is not None:
            run.reports.pop(effect, None)

    def told(self, run: LiveRun, effect: int, action: str, error: bytes) -> bytes:
        """What the entry of a failed attempt keeps: items of a JSON array, its encoded
        error first, then the action's name, then its report if there is one. Where that
        has a row, the row is brought up to date as well."""
        told = b"%b,%b" % (error, orjson.dumps(action))
        report = None if run.reports is None else run.reports.get(effect)
        if report is None:
            return told
        if effect in self._rows.get(run, ()):
            self._change(run, effect)
        return b"%b,%b" % (told, report.recorded())

    # Snapshots

    def save(self, run: LiveRun) -> None:
        """See to it that a run's reports have rows, soon: `is_saved`."""
        rows, writing = self._rows.get(run, {}), self._writing.locked()
        asked = {
            effect
            for effect in run.reports or ()
            if _is_open(run, effect)
            and (writing or effect not in rows or (run, effect) in self._changed)
        }
        for effect in asked:
            self._change(run, effect)
        if asked:
            self._asked[run] = asked

    def is_saved(self, run: LiveRun) -> bool:
        return run not in self._asked

    # Recovery

    async def read(self, runs: Sequence[UUID]) -> dict[UUID, list[AttemptRow]]:
        """The rows of runs that are to be recovered."""
        found: dict[UUID, list[AttemptRow]] = {}
        for row in await self._store.read_attempts(runs):
            found.setdefault(row.run_id, []).append(row)
        return found

    def recover(self, run: LiveRun, journal: list[JournalRow], rows: list[AttemptRow]) -> None:
        """What a recovered run's attempts said, before any begins again."""
        reports = reports_of(journal)
        for row in rows:
            known = reports.get(row.effect)
            if known is None or row.attempt > known.attempt:
                reports[row.effect] = Report(row.attempt, max(row.since_ns, 0), row.progress)
            elif row.progress != known.progress:
                self._change(run, row.effect)  # Snapshots will hide what the journal knows.
        if reports:
            run.reports = reports
        if rows:
            self._rows[run] = {row.effect: None for row in rows}
            self._nudge.set()

    # Writing

    async def serve(self) -> None:
        """Write what changes, and remove what is over, until cancelled."""
        backoff = Backoff(WRITE_SECONDS, 10.0)
        while True:
            if not self._changed:
                await self._nudge.wait(WRITE_SECONDS if self._rows else None)
            try:
                await self._write()
                await self._remove()
            except StoreUnavailable as error:
                log.debug("reports of attempts cannot be written now: %s", error)
                await backoff.wait()
            else:
                backoff = Backoff(WRITE_SECONDS, 10.0)
                await asyncio.sleep(WRITE_SECONDS)

    async def flush(self) -> None:
        """Write all that has changed, before our runs are given back."""
        while self._changed or self._writing.locked():
            await self._write()

    async def _write(self) -> None:
        """One statement for what has changed, a part of it when that is much."""
        async with self._writing:
            await self._write_some()

    async def _write_some(self) -> None:
        changed = list(self._changed)[:ROWS_MAX]
        rows: list[AttemptRow] = []
        visiting: list[ReportedTask] = []
        for run, effect in changed:
            del self._changed[run, effect]  # What changes from here on is written again.
            report = None if run.reports is None else run.reports.get(effect)
            if report is None:
                continue
            if self.runs.get(run.id) is run and _is_open(run, effect):
                values = report.attempt, report.since_ns, report.progress
                rows.append(AttemptRow(run.id, run.epoch, effect, *values))
                self._rows.setdefault(run, {})[effect] = None
            elif self.guest(run.id, effect) is run:
                visiting.append(ReportedTask(run.id, effect, run.epoch, report.recorded()))
        try:
            if rows:
                await self._store.write_attempts(self._worker(), rows)
            if visiting:
                await self._store.tasks.report(self._worker(), visiting)
        except BaseException:
            self._changed.update(dict.fromkeys(changed))
            raise
        for run, effect in changed:
            asked = self._asked.get(run, set())
            asked.discard(effect)
            if not asked:
                self._asked.pop(run, None)

    async def _remove(self) -> None:
        """Remove the rows of calls whose outcome is committed, and of ended runs."""
        over: list[tuple[UUID, int | None]] = []
        gone: list[LiveRun] = []
        for run, effects in self._rows.items():
            if self.runs.get(run.id) is not run:
                over.append((run.id, None))  # If it has ended; else another goes on.
                gone.append(run)
                continue
            over += [(run.id, effect) for effect in self._ended(run, effects)]
        if over:
            await self._store.forget_attempts(over)
        for run in gone:
            del self._rows[run]
        for run, effects in self._rows.items():
            for effect in self._ended(run, effects):
                del effects[effect]
                self.over(run, effect)
        for run in [run for run, effects in self._rows.items() if not effects]:
            del self._rows[run]

    @staticmethod
    def _ended(run: LiveRun, effects: dict[int, int | None]) -> list[int]:
        """Calls of a run whose outcome is committed. A call that is over in the engine
        waits for the last entry there is by now."""
        ended: list[int] = []
        for effect, seq in effects.items():
            if effect in run.attempts or run.session is None:
                effects[effect] = None
            elif seq is None:
                effects[effect] = run.session.seq
            elif run.acked >= seq:
                ended.append(effect)
        return ended


def _is_open(run: LiveRun, effect: int) -> bool:
    """Whether a call has no outcome yet. After a recovery it is not among the attempts
    before the claim is committed."""
    session = run.session
    return effect in run.attempts or bool(session and session.next_attempt(effect))


def _encoded(progress: Any) -> bytes:
    payload = plan_for(Any, registry.types).dumps(progress, path="progress")
    if len(payload) > PROGRESS_BYTES_MAX:
        raise ValueEncodeError(
            "progress",
            f"is {len(payload):,} bytes when encoded, more than {PROGRESS_BYTES_MAX:,}; keep it"
            " elsewhere (a table, a file) and report where it stands",
        )
    return payload
