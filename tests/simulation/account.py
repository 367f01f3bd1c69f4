"""What happened, against what was promised.

1.  Durable before visible: at the moment an attempt starts, what the database holds
    is enough for a new owner to ask for the same effect; at the moment a caller is told,
    the run's row says so.
2.  Nothing lost: each run whose submission returned has ended; only what ended long
    enough ago is removed, all of it in the end, and nothing of it begins anew.
    Every caller of a process that lives is told.
3.  Recorded once: the journal has no gap, epochs never go back, and each effect has at
    most one recorded end.
4.  Nobody works long under a dead name: an attempt starts at most a lease later.
5.  Same outcome: what the authored body comes to under plain asyncio.
6.  A snapshot with the entries after it leads where the whole journal leads.
7.  Feeding the journal again gives the recorded end.
7.  A run that kills its processes is quarantined after so many of them, and says why; no
    other is that did not crash as often in a row.

A failover may lose what was committed last. Then 1 and 2 hold as far as the database
kept what it had acknowledged: a run that it lost is forgotten, and one of which it lost a
part may be told of, and attempted, for what is no longer there. It still ends, as it must.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from functools import cache
from typing import Any
from uuid import UUID

from tests.oracle.host import authored_runs
from tests.oracle.posting import queues
from tests.oracle.virtual_loop import run_virtually
from waymark import context
from waymark.authoring.workflow import WorkflowDefinition
from waymark.engine.outcomes import Advance, Finish, StartAction, StartAttempt
from waymark.engine.program import Program
from waymark.engine.session import Session
from waymark.runtime.programs import Programs
from waymark.runtime.run_ids import is_child
from waymark.runtime.runtime import Runtime
from waymark.store.memory import MemoryDatabase, MemoryStore
from waymark.store.memory.database import MemoryRun
from waymark.store.records import EntryKind, JournalRow, RunState
from waymark.store.suspects import CRASHES_MAX
from waymark.values import load_exception

from . import work
from .server import drive

#: What the reason says of a run that crashed too often.
BY_CRASHES = "died of it without a new entry"

#: What the reason of a run says whose attempts killed those who made them for others.
BY_CLAIMERS = "processes died while they made attempt"

_ENDS = (EntryKind.RESULT, EntryKind.ERROR, EntryKind.CANCELLED)


@cache
def program(definition: WorkflowDefinition) -> Program:
    """A program of the account's own."""
    return drive(Programs(MemoryStore()).ensure(definition))


@cache
def expected(definition: WorkflowDefinition, args: tuple[Any, ...]) -> str:
    """What the authored body comes to."""

    async def body() -> Any:
        task = asyncio.ensure_future(definition.authored(definition.cls(), *args))
        if definition.cls is work.Resting:
            asyncio.get_running_loop().call_later(1.0, task.cancel)
        return await task

    work.plain_attempts.clear()
    work.performing.append(work._at_once)
    work.plain_attempts.clear()
    try:
        with authored_runs(), queues() as send:
            for number in range(args[0] if definition.cls is work.Listening else 0):
                send("word", b"%d" % number)
            return f"returned {run_virtually(body())!r}"
    except asyncio.CancelledError:
        return f"ended in state {RunState.CANCELLED}"
    except Exception as error:
        return f"raised {error!r}"
    finally:
        work.performing.pop()


class Workers(dict[UUID, float]):
    """The table of workers, with the time at which each row was deleted."""

    def __init__(self, database: MemoryDatabase) -> None:
        super().__init__()
        self._database = database
        self.died_at: dict[UUID, float] = {}

    def __setitem__(self, worker: UUID, until: float) -> None:
        # A name whose registration was lost on its way back is registered once more.
        self.died_at.pop(worker, None)
        super().__setitem__(worker, until)

    def __delitem__(self, worker: UUID) -> None:
        super().__delitem__(worker)
        self.died_at[worker] = self._database.now()


def _told(advance: Advance) -> list[Any]:
    """Entries and commands, without what spares an attempt some decoding."""
    commands = [
        one._replace(plain=None, bound_to=None) if isinstance(one, StartAction) else one
        for one in advance.commands
    ]
    return [*advance.entries, *commands]


class Complaints(logging.Handler):
    """Errors that the runtime logs: it noticed that something of ours is wrong."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if not any(one in text for one in ("has not turned for", BY_CRASHES, BY_CLAIMERS)):
            self.texts.append(text + (f": {record.exc_info[1]!r}" if record.exc_info else ""))


class Account:
    def __init__(self, database: MemoryDatabase) -> None:
        self._database = database
        self._workers = database.workers = Workers(database)
        self._known: dict[UUID, tuple[WorkflowDefinition, tuple[Any, ...]]] = {}
        self._wrong: list[str] = []
        shapes = [*(shape for shape, _ in work.SHAPES), work.Sleeper, work.Poisonous]
        self._definitions = {shape.__waymark__.name: shape.__waymark__ for shape in shapes}
        self.attempts = 0
        #: Runs of which the database has lost something.
        self._damaged: set[UUID] = set()
        self._before: dict[UUID, tuple[object, ...]] = {}
        self._fallen = False
        #: What retention has removed, to be judged like the others.
        self._removed: dict[UUID, tuple[MemoryRun, dict[int, JournalRow]]] = {}

    def removing(self, seconds: float, runs_max: int, entries_max: int) -> tuple[int, int]:
        """Retention removes: only what ended, and long enough ago."""
        database = self._database
        before = {
            run.id: (run, dict(database.journal.get(run.id, {}))) for run in database.runs.values()
        }
        answer = database.remove_finished(seconds, runs_max, entries_max)
        for run_id in before.keys() - database.runs.keys():
            run, _ = self._removed[run_id] = before[run_id]
            if run.finished_at is None or database.now() - run.finished_at < seconds:
                self._wrong.append(f"run {run_id} was removed in state {run.state}")
        return answer

    def _put_back(self) -> list[str]:
        """Let what was removed be judged with the rest."""
        wrong: list[str] = []
        database = self._database
        for run_id, (run, journal) in self._removed.items():
            row = database.runs.setdefault(run_id, run)
            if row is run:
                database.journal[run_id] = journal
            elif row.submitted_at != run.submitted_at and run_id not in self._damaged:
                wrong.append(f"run {run_id} of {run.workflow} was begun again after its removal")
        return wrong

    def before_loss(self) -> None:
        """The database is about to lose its last commits."""
        self._before = self._extents()

    def after_loss(self) -> None:
        """It has lost them."""
        self._fallen = True
        after = self._extents()
        self._damaged.update(
            run_id for run_id, extent in self._before.items() if after.get(run_id) != extent
        )
        for run_id in self._before.keys() - after.keys():
            self._known.pop(run_id, None)

    def _extents(self) -> dict[UUID, tuple[object, ...]]:
        journal = self._database.journal
        return {
            run.id: (run.owner, run.epoch, run.state, len(journal.get(run.id, ())))
            for run in self._database.runs.values()
        }

    def submitted(
        self, run_id: UUID, definition: WorkflowDefinition, args: tuple[Any, ...]
    ) -> None:
        """A submission has returned."""
        if run_id not in self._database.runs and run_id in self._damaged:
            return
        if run_id in self._removed:
            return
        self._known[run_id] = (definition, args)
        if run_id not in self._database.runs:
            self._wrong.append(f"run {run_id} was confirmed and is not stored")

    def known(self, run_id: UUID) -> tuple[WorkflowDefinition, tuple[Any, ...]] | None:
        """What a run is, where somebody was told that it is submitted."""
        return self._known.get(run_id)

    def told(self, run_id: UUID) -> None:
        """A caller was told how its run ended."""
        row = self._database.runs.get(run_id)
        if run_id in self._damaged or run_id in self._removed:
            return
        if row is None or row.state < RunState.SUCCEEDED:
            self._wrong.append(f"a caller was told of run {run_id} before it was recorded")

    def complain(self, text: str) -> None:
        self._wrong.append(text)

    def at_rest(self, name: str, runtime: Runtime) -> None:
        """What a process counts as unflushed holds attempts back: a remainder of it,
        when all is written, would do so for ever."""
        writer = runtime._writer
        if writer.idle and (writer.unflushed_rows or writer.unflushed_bytes):
            left = f"{writer.unflushed_rows} rows, {writer.unflushed_bytes} bytes"
            self.complain(f"{name} counts as unflushed, with nothing to write: {left}")

    def wrote(self, worker: UUID) -> None:
        """A worker has written. One without a row is dead: others may have its runs."""
        if worker not in self._database.workers:
            self.complain(f"worker {worker} wrote after it had been declared dead")

    def attempt(self, worker: UUID, lease_seconds: float) -> None:
        """An attempt starts, in the context of its action, in the process that is
        called `worker`."""
        self.attempts += 1
        died_at = self._workers.died_at.get(worker)
        if died_at is not None and self._database.now() - died_at > lease_seconds:
            self._wrong.append(f"an attempt started long after worker {worker} was declared dead")
        here = context()
        if here.run_id in self._damaged or here.run_id in self._removed:
            return
        row = self._database.runs.get(here.run_id)
        if row is None:
            self._wrong.append(f"an attempt of {here.run_id} started, and no such run is stored")
            return
        if row.began_ns > self._database.now() * 1e9 + 1000:
            self._wrong.append(f"{here.run_id} ({row.workflow}) began before it was due")
        entries = self._database.journal.get(here.run_id, {})
        if any(entry.effect == here.effect and entry.kind in _ENDS for entry in entries.values()):
            return  # Somebody else has recorded its end meanwhile.
        if row.state >= RunState.SUCCEEDED:
            return
        numbers = {
            command.effect: 1 if isinstance(command, StartAction) else command.attempt
            for command in self._recovered(here.run_id)
            if isinstance(command, StartAction | StartAttempt)
        }
        if numbers.get(here.effect, 0) < here.attempt:
            self._wrong.append(
                f"effect {here.effect} of {here.run_id} ({row.workflow}) started before what it"
                " depends on was stored"
            )

    def _recovered(self, run_id: UUID) -> list[Any]:
        """What a new owner would do now."""
        row = self._database.runs[run_id]
        rows = self._database.journal.get(run_id, {})
        entries = [rows[seq] for seq in sorted(rows)]
        kept = program(self._definitions[row.workflow])
        last = max(row.began_ns, 1, *(entry.at_ns for entry in entries))
        session = Session(kept, run_id)
        found = session.recover(row.input, row.began_ns or 1, entries, last)
        for seq, snapshot in self._database.snapshots.get(run_id, {}).items():
            short, later = Session(kept, run_id), [entry for entry in entries if entry.seq > seq]
            same = short.recover(row.input, row.began_ns, later, last, snapshot.payload)
            if _told(same) != _told(found):
                self._wrong.append(f"the snapshot of {run_id} at entry {seq} leads elsewhere")
        return found.commands

    def problems(self) -> list[str]:
        """Everything that is wrong at the end."""
        wrong = self._wrong + self._put_back()
        for run_id, (definition, args) in self._known.items():
            row = self._database.runs.get(run_id)
            if row is None:
                wrong.append(f"run {run_id} is lost")
                continue
            if row.state == RunState.QUARANTINED:
                continue  # Looked at below, with its journal.
            if row.state < RunState.SUCCEEDED and self.may_stay(run_id):
                continue
            if row.state < RunState.SUCCEEDED:
                wrong.append(f"run {run_id} of {row.workflow} is stuck in state {row.state}")
                continue
            outcome = self._outcome(definition, row.state, row.result or b"")
            if self._fallen and definition.cls is work.Listening:
                # A word that was lost is said again, after those that came meanwhile.
                outcome = outcome.translate({ord(c): None for c in "returned [],"})
                outcome = f"returned {[int(digit) for digit in sorted(outcome)]}"
            if outcome != expected(definition, args) and not self._cancelled_by_lost(run_id):
                wrong.append(
                    f"run {run_id} of {row.workflow} {outcome}, not {expected(definition, args)}"
                )
        for run_id, row in self._database.runs.items():
            unfinished = row.state < RunState.QUARANTINED and run_id not in self._known
            if unfinished and not self.may_stay(run_id):
                wrong.append(f"run {run_id} of {row.workflow} is stuck in state {row.state}")
            wrong += self._journal(run_id)
        wrong += [f"task {key} was left behind" for key in self._database.tasks]
        return wrong

    def _cancelled_by_lost(self, run_id: UUID) -> bool:
        """A child has journaled that its parent cancels it, and what led the parent to that
        is lost: then it meets a child that somebody cancelled, and ends by it."""
        runs = self._database.runs
        cancelled = runs[run_id].state == RunState.CANCELLED and run_id in self._damaged
        return cancelled and any(
            child.parent == run_id and child.state == RunState.CANCELLED for child in runs.values()
        )

    def may_stay(self, run_id: UUID) -> bool:
        """Whether a run that has not ended need not: it waits for what stands still, or
        nobody knows of it any more."""
        forgotten = run_id not in self._known and self._orphaned(run_id)
        return forgotten or self._awaits_quarantined(run_id) or self._awaits_its_parent(run_id)

    def _awaits_its_parent(self, run_id: UUID) -> bool:
        """A child sleeps until its parent cancels it, and that stands still; or has ended,
        told of an end of the child that the database has lost since."""
        run = self._database.runs[run_id]
        if run.parent is None or run.state != RunState.WAITING:
            return False
        removed, _ = self._removed.get(run.parent, (None, None))
        parent = self._database.runs.get(run.parent, removed)
        if parent is None:
            return False
        ended = parent.state > RunState.QUARANTINED
        return parent.state == RunState.QUARANTINED or (ended and run_id in self._damaged)

    def _awaits_quarantined(self, run_id: UUID) -> bool:
        """A run waits until somebody mends its child."""
        children = [row for row in self._database.runs.values() if row.parent == run_id]
        return any(
            child.state == RunState.QUARANTINED
            or (child.state < RunState.QUARANTINED and self._awaits_quarantined(child.id))
            for child in children
        )

    def _orphaned(self, run_id: UUID) -> bool:
        """Whether the run at the root of a child's family was lost by the database. Its
        owner may have asked for the child before it learned that."""
        family = run_id.int >> 80  # what ids of children have of their parents'
        roots = (root for root in self._database.runs if not is_child(root))
        return bool(self._damaged) and all(root.int >> 80 != family for root in roots)

    def _outcome(self, definition: WorkflowDefinition, state: int, payload: bytes) -> str:
        if state == RunState.SUCCEEDED:
            return f"returned {definition.result_plan.loads(payload)!r}"
        if state == RunState.FAILED:
            return f"raised {load_exception(payload, program(definition).links.types)!r}"
        return f"ended in state {state}"

    def _journal(self, run_id: UUID) -> list[str]:
        wrong: list[str] = []
        row = self._database.runs[run_id]
        rows = self._database.journal.get(run_id, {})
        entries = [rows[seq] for seq in sorted(rows)]
        if [entry.seq for entry in entries] != list(range(1, len(entries) + 1)):
            wrong.append(f"the journal of {run_id} has a gap: {sorted(rows)}")
            return wrong
        epochs = [entry.epoch for entry in entries]
        if epochs != sorted(epochs):
            wrong.append(f"epochs of {run_id} go back: {epochs}")
        ends = Counter(entry.effect for entry in entries if entry.kind in _ENDS)
        wrong += [f"effect {e} of {run_id} has {n} ends" for e, n in ends.items() if n > 1]
        if row.state in (RunState.SUCCEEDED, RunState.FAILED):
            finishes = [c for c in self._recovered(run_id) if isinstance(c, Finish)]
            if len(finishes) != 1 or (finishes[0].ok != (row.state == RunState.SUCCEEDED)):
                wrong.append(f"run {run_id} does not end the same way when it is fed again")
            elif finishes[0].ok and finishes[0].payload != row.result:
                wrong.append(f"run {run_id} has another result when it is fed again")
        elif row.state == RunState.QUARANTINED and not self._crashed_too_often(run_id):
            wrong.append(f"run {run_id} of {row.workflow} is quarantined: {row.reason}")
        return wrong

    def _crashed_too_often(self, run_id: UUID) -> bool:
        """Whether a quarantined run's owners died so often without an entry that they
        left, and the reason tells what was running."""
        row, rows = self._database.runs[run_id], self._database.journal.get(run_id, {})
        progress = [0, *(e.epoch for e in rows.values() if e.kind != EntryKind.CLAIM)]
        reason = row.reason or ""
        if BY_CLAIMERS in reason:  # The attempt was made for others, and killed those.
            return row.workflow.endswith(":Poisonous")
        if row.workflow.endswith(":Poisonous") and "ran tests.simulation.work:" not in reason:
            return False
        return BY_CRASHES in reason and row.epoch - max(progress) >= CRASHES_MAX
