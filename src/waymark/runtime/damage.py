"""Rows that no code could ever read.

What a run recorded may fail to decode because types have changed: then another version of
the code may read it, and the run waits for that one, `blocked`. What has not even the form
that every version gives it was damaged in the database. No deploy mends it, so its run alone
is quarantined. Entries that do not fit each other are found by the engine, in recovery.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from ..store.records import ClaimedRun, EntryKind, JournalRow
from ..store.tasks import ClaimedTask, TaskOutcome, Verdict


def damage(claimed: ClaimedRun, journal: Iterable[JournalRow]) -> str | None:
    """Which row of a run is damaged, None when none is."""
    wrong = _no_object(claimed.input)
    if wrong is not None:
        return f"the input of this run is damaged in the database: it is {wrong}"
    for row in journal:
        wrong = None
        if row.kind == EntryKind.RESULT:
            wrong = _no_json(row.payload)
        elif row.kind == EntryKind.ERROR:
            wrong = _no_error(row.payload)
        if wrong is not None:
            return f"entry {row.seq} of the journal is damaged: its payload is {wrong}"
    return None


def damaged_task(task: ClaimedTask) -> str | None:
    """What is wrong with a row of `tasks` as its claimer gets it, None when nothing is."""
    if task.options:
        wrong = _no_object(task.options)
        if wrong is not None:
            return f"the row of its call {task.effect} in `tasks` is damaged: options are {wrong}"
    wrong = _no_object(task.arguments)
    if wrong is not None:
        return f"the row of its call {task.effect} in `tasks` is damaged: arguments are {wrong}"
    return None


def damaged_outcome(row: TaskOutcome) -> str | None:
    """What is wrong with a row of `tasks` as its run's owner gets it."""
    if row.verdict == Verdict.DAMAGED and row.outcome:
        return row.outcome.decode(errors="replace")
    match row.verdict:
        case Verdict.RESULT:  # Read once more when it is delivered.
            wrong = None if row.outcome else "missing"
        case Verdict.ERROR | Verdict.AGAIN:
            wrong = _no_error(row.outcome)
        case _:
            return f"the row of its call {row.effect} in `tasks` is damaged: verdict {row.verdict}"
    if wrong is not None:
        return f"the row of its call {row.effect} in `tasks` is damaged: its outcome is {wrong}"
    if row.verdict == Verdict.AGAIN and not (row.pause_seconds or 0.0) >= 0.0:
        return f"the row of its call {row.effect} in `tasks` is damaged: its pause is negative"
    return None


def _no_json(payload: bytes) -> str | None:
    wrong, _ = _read(payload)
    return wrong


def _no_object(payload: bytes) -> str | None:
    wrong, tree = _read(payload)
    return wrong or (None if isinstance(tree, dict) else "no JSON object")


def _no_error(payload: bytes) -> str | None:
    """Exceptions are stored as objects with a tag."""
    wrong, tree = _read(payload)
    return wrong or (None if isinstance(tree, dict) and "$t" in tree else "no stored exception")


def _read(payload: bytes) -> tuple[str | None, object]:
    try:
        return None, json.loads(payload)
    except (ValueError, TypeError):
        return "no JSON text", None
    except RecursionError:
        return "JSON nested deeper than any value", None
