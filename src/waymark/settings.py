"""Every setting, in one place: keyword of `start()`, then environment, then default.

A keyword nobody knows is refused. An unknown `WAYMARK_*` variable is refused only
when it looks like a misspelt one: the environment belongs to others too (a
Kubernetes service called `waymark` puts `WAYMARK_SERVICE_HOST` into every pod).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import cast

from .authoring.naming import queue_problem
from .errors import SettingsError

PREFIX = "WAYMARK_"

MEBIBYTE = 1024 * 1024

#: A quarter of an hour. A parent must have heard of its child's end before that is gone.
RETENTION_DAYS_MIN = 0.01


@dataclass(frozen=True, slots=True)
class Settings:
    """What a runtime is started with. Times are seconds, sizes bytes."""

    #: `postgresql://…` or `memory://`. None runs the embedded PostgreSQL.
    database_url: str | None = None
    #: Schema of Waymark's tables.
    schema: str = "waymark"
    #: Where the embedded PostgreSQL keeps its files. None lets it choose.
    data_directory: Path | None = None
    #: Queues whose runs and actions this process executes. Empty only submits.
    queues: tuple[str, ...] = ("default",)
    #: Attempts of actions that run at once in this process.
    concurrency: int = 500
    #: Runs held in memory. Beyond it submissions are left for any worker.
    resident_runs_max: int = 20_000
    #: A worker that cannot prolong its lease for this long counts as dead.
    lease_seconds: float = 30.0
    #: How often to look for runs without an owner, and for results from elsewhere.
    poll_seconds: float = 1.0
    #: Runs that wait longer leave memory, and come back in time.
    park_after_seconds: float = 30.0
    #: How long a submission waits for a database that does not answer.
    submit_timeout_seconds: float = 30.0
    #: How long `stop()` lets running attempts finish.
    drain_seconds: float = 10.0
    #: Finished runs are removed with their journals so many days after their end, and
    #: with them the memory of their `id=`. "never" (here None) keeps them.
    retention_days: float | None = 30.0
    #: Runs and journal rows in one flush, each.
    flush_rows_max: int = 500
    #: Payload bytes in one flush. One larger advance travels alone.
    flush_bytes_max: int = 4 * MEBIBYTE
    #: Journal rows that may wait for a commit before no more attempts start.
    unflushed_rows_max: int = 10_000
    #: Payload bytes that may wait for a commit before no more attempts start.
    unflushed_bytes_max: int = 64 * MEBIBYTE
    #: The largest encoded arguments or result.
    payload_bytes_max: int = 32 * MEBIBYTE
    #: Journal entries of a run after which its memory is kept in the database, so that
    #: recovery starts from there.
    snapshot_entries: int = 1_000
    #: Let Waymark tune the garbage collector of this process: everything alive
    #: at `start()` is frozen and collections become rarer. Shortens pauses of
    #: the event loop under load; undone by `stop()`.
    tune_gc: bool = False


class _Unfit(Exception):
    """A value that a setting does not accept; the text says what it does."""


def _text(value: object) -> object:
    if not isinstance(value, str) or not value:
        raise _Unfit("a text that is not empty")
    return value


def _path(value: object) -> object:
    if not isinstance(value, (str, Path)) or not str(value):
        raise _Unfit("a path")
    return Path(value)


_QUEUES_WANTED = 'a tuple of names such as ("default", "gpu"); () only submits'


def _queues(value: object) -> object:
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    if not isinstance(value, (tuple, list, set, frozenset)):
        raise _Unfit(_QUEUES_WANTED)
    names: list[str] = []
    for name in cast("Iterable[object]", value):
        if not isinstance(name, str) or not name:
            raise _Unfit(_QUEUES_WANTED)
        if (problem := queue_problem(name)) is not None:
            raise _Unfit(f"{_QUEUES_WANTED} ({problem})")
        names.append(name)
    return tuple(dict.fromkeys(names))


def _count(value: object) -> object:
    if isinstance(value, str):
        value = int(value) if value.strip().isdecimal() else None
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise _Unfit("a whole number of at least 1")
    return value


def _seconds(least: float) -> Callable[[object], object]:
    def parse(value: object) -> object:
        wanted = f"a number of seconds of at least {least:g}"
        if isinstance(value, str):
            try:
                value = float(value)
            except ValueError:
                raise _Unfit(wanted) from None
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise _Unfit(wanted)
        if not least <= value < float("inf"):
            raise _Unfit(wanted)
        return float(value)

    return parse


def _days(value: object) -> object:
    if value == "never":
        return None
    try:
        return _seconds(RETENTION_DAYS_MIN)(value)
    except _Unfit:
        raise _Unfit(f'a number of days of at least {RETENTION_DAYS_MIN:g}, or "never"') from None


def _switch(value: object) -> object:
    if isinstance(value, str):
        value = {"1": True, "true": True, "0": False, "false": False}.get(value.lower())
    if not isinstance(value, bool):
        raise _Unfit("true or false (1 or 0 in the environment)")
    return value


_PARSERS: Mapping[str, Callable[[object], object]] = {
    "database_url": _text,
    "schema": _text,
    "data_directory": _path,
    "queues": _queues,
    "concurrency": _count,
    "resident_runs_max": _count,
    "lease_seconds": _seconds(1.0),
    "poll_seconds": _seconds(0.01),
    "park_after_seconds": _seconds(0.01),
    "submit_timeout_seconds": _seconds(0.1),
    "drain_seconds": _seconds(0.0),
    "retention_days": _days,
    "flush_rows_max": _count,
    "flush_bytes_max": _count,
    "unflushed_rows_max": _count,
    "unflushed_bytes_max": _count,
    "payload_bytes_max": _count,
    "snapshot_entries": _count,
    "tune_gc": _switch,
}

#: `WAYMARK_*` variables that other parts read.
_READ_ELSEWHERE = ("WAYMARK_ENGINE", "WAYMARK_POSTGRES_BINARIES")


def load_settings(
    keywords: Mapping[str, object], environment: Mapping[str, str] | None = None
) -> Settings:
    """Settings from keywords of `start()` and the environment.

    A keyword given as None counts as not given. Raises `SettingsError`, naming
    the setting, where it came from and what it accepts; values are not echoed
    for `database_url`, which may hold a password.
    """
    environment = os.environ if environment is None else environment
    values = _from_environment(environment)
    for name, value in keywords.items():
        if name not in _PARSERS:
            raise SettingsError(_unknown(f"setting {name!r}", name, list(_PARSERS)))
        if value is not None:
            values[name] = _parsed(name, value, f"keyword {name}=")
    return Settings(**values)  # type: ignore[arg-type]  # each parser gives its field's type


def _from_environment(environment: Mapping[str, str]) -> dict[str, object]:
    known = {PREFIX + field.name.upper(): field.name for field in fields(Settings)}
    values: dict[str, object] = {}
    for variable, text in environment.items():
        if not variable.startswith(PREFIX) or variable in _READ_ELSEWHERE:
            continue
        if (name := known.get(variable)) is not None:
            if text or name == "queues":
                values[name] = _parsed(name, text, f"environment variable {variable}")
        elif get_close_matches(variable, known, 1, 0.9):
            raise SettingsError(_unknown(f"environment variable {variable}", variable, list(known)))
    return values


def _parsed(name: str, value: object, source: str) -> object:
    try:
        return _PARSERS[name](value)
    except _Unfit as error:
        shown = "" if name == "database_url" else f", not {value!r}"
        raise SettingsError(f"{source} must be {error}{shown}") from None


def _unknown(what: str, name: str, known: list[str]) -> str:
    close = get_close_matches(name, known, 1)
    advice = f"did you mean {close[0]}?" if close else f"known are: {', '.join(known)}"
    return f"unknown {what}; {advice}"
