"""What the attempts of one call said of themselves, as it is kept in memory."""

from __future__ import annotations

from typing import Any, cast

import orjson

from ..store.records import EntryKind, JournalRow


class Report:
    """Of one call that is not over. Written to by the threads of sync actions, too: each
    field is set in one step.

    attempt    the attempt that is under way, or was last
    since_ns   when the first attempt began; 0 before
    progress   encoded; None when there is none
    beaten_at  `Clock.monotonic` of the last sign of life
    over       the last attempt that has ended, though its thread may not know
    """

    __slots__ = ("attempt", "beaten_at", "over", "progress", "since_ns")

    def __init__(self, attempt: int, since_ns: int = 0, progress: bytes | None = None) -> None:
        self.attempt = attempt
        self.since_ns = since_ns
        self.progress = progress
        self.beaten_at = 0.0
        self.over = 0

    def recorded(self) -> bytes:
        """What the entry of a failed attempt keeps: `{"since":…,"progress":…}`."""
        progress = b"" if self.progress is None else b',"progress":%b' % self.progress
        return b'{"since":%d%b}' % (self.since_ns, progress)


def reports_of(journal: list[JournalRow]) -> dict[int, Report]:
    """What failed attempts left in a journal, by effect. What is damaged is left to the
    engine to refuse."""
    found: dict[int, Report] = {}
    for row in journal:
        if row.kind == EntryKind.ATTEMPT and row.payload[-1:] == b"]":
            report = _read(bytes(row.payload))
            if report is not None:
                found[row.effect] = report
    return found


def _read(payload: bytes) -> Report | None:
    try:
        attempt, _, _, *_, last = orjson.loads(payload)
    except ValueError:
        return None
    return _of(attempt, last) if isinstance(attempt, int) else None


def report_of(attempt: int, recorded: bytes) -> Report | None:
    """What attempts up to this one said of themselves, as `recorded` tells it; None where that
    says nothing, or is damaged: it is an aid to the next attempt and no more."""
    try:
        return _of(attempt, orjson.loads(recorded)) if recorded else None
    except ValueError:
        return None


def _of(attempt: int, recorded: Any) -> Report | None:
    if not isinstance(recorded, dict):
        return None
    kept = cast("dict[str, Any]", recorded)
    since = kept.get("since")
    if not isinstance(since, int):
        return None
    return Report(attempt, since, orjson.dumps(kept["progress"]) if "progress" in kept else None)
