"""Claimed runs that crashed before: what they were at, and whether they still are suspect.

The rules are in `store.suspects`. Here each recovery of a run that crashed notes in its
claim's entry what is under way now, so that whoever finds it after one crash too many
can say what was running without executing anything of it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from uuid import UUID

from ..engine.outcomes import Advance, Entry, StartAction, StartAttempt
from ..store.records import ClaimedRun, EntryKind, JournalRow
from ..store.suspects import CRASHES_MAX, NONE_HELD, Held, is_suspect
from .live_run import LiveRun

#: So many names of actions are noted.
NAMES_MAX = 5


class Suspects:
    """Those that this process holds."""

    def __init__(self, runs: dict[UUID, LiveRun]) -> None:
        #: All runs in memory.
        self._runs = runs
        #: How often each has crashed, and the last entry that is no progress.
        self._suspects: dict[LiveRun, tuple[int, int]] = {}

    def recovered(self, run: LiveRun, claimed: ClaimedRun, advance: Advance) -> Advance:
        """Note what a recovered run is at. Returns the advance to record."""
        if not claimed.crashes:
            return advance
        names = [
            command.action
            for command in advance.commands
            if isinstance(command, StartAction | StartAttempt)
        ]
        noted = json.dumps(_shortened(names), separators=(",", ":")).encode()
        entries = [_with_note(entry, noted) for entry in advance.entries]
        if names and is_suspect(claimed.crashes):
            self._suspects[run] = claimed.crashes, entries[-1].seq
        return advance._replace(entries=entries)

    @property
    def held(self) -> Held:
        """What a claim has to know of them."""
        if not self._suspects:
            return NONE_HELD
        for run, (_, seq) in list(self._suspects.items()):
            if run.acked > seq or self._runs.get(run.id) is not run:
                del self._suspects[run]
        worst = max((crashes for crashes, _ in self._suspects.values()), default=0)
        return Held(len(self._suspects), worst)


def guilt(claimed: ClaimedRun, journal: Sequence[JournalRow]) -> str | None:
    """Why a claimed run must not be executed again; None when it may be."""
    if claimed.crashes < CRASHES_MAX:
        return None
    last = journal[-1] if journal else None
    where = "at its beginning" if last is None else f"after entry {last.seq} of its journal"
    at = f"while its body was computed or its journal read, {where}"
    names = _noted(last.payload) if last is not None and last.kind == EntryKind.CLAIM else []
    if names and last is not None:
        at = f"while it ran {', '.join(names)}"
        if last.epoch != claimed.epoch - 1:
            at = f"before it had begun anything, one before it {at}"
    return (
        f"{claimed.crashes} processes in a row died of it without a new entry in its journal,"
        f" the last one {at}; mend that, then let the run go on"
    )


def _shortened(names: list[str]) -> list[str]:
    unlike = list(dict.fromkeys(names))
    if len(unlike) <= NAMES_MAX:
        return unlike
    return [*unlike[:NAMES_MAX], f"{len(unlike) - NAMES_MAX} more"]


def _with_note(entry: Entry, note: bytes) -> Entry:
    return entry._replace(payload=note) if entry.kind == EntryKind.CLAIM else entry


def _noted(payload: bytes) -> list[str]:
    try:
        return [str(name) for name in json.loads(payload)]
    except (ValueError, TypeError):  # An entry of older code, or one that was edited.
        return []
