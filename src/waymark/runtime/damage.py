"""Rows that no code could ever read.

What a run recorded may fail to decode because types have changed: then another version of
the code may read it, and the run waits for that one, `blocked`. A payload that is not even
JSON text was damaged in the database. No deploy mends it, so its run alone is quarantined.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from ..store.records import ClaimedRun, EntryKind, JournalRow

#: Entries whose payload is one value.
_VALUES = (EntryKind.RESULT, EntryKind.ERROR)


def damage(claimed: ClaimedRun, journal: Iterable[JournalRow]) -> str | None:
    """Which row of a run is damaged, None when none is."""
    if not _is_json(claimed.input):
        return "the input of this run is damaged in the database: it is no JSON text"
    for row in journal:
        if row.kind in _VALUES and not _is_json(row.payload):
            return f"entry {row.seq} of the journal is damaged: its payload is no JSON text"
    return None


def _is_json(payload: bytes) -> bool:
    try:
        json.loads(payload)
    except ValueError:
        return False
    return True
