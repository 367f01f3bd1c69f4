"""Is this database fit for Waymark, and is all well in it: what `waymark doctor` asks.

Each check asks for facts with one statement of `sql/doctor.sql` and judges them; it reads,
and changes nothing. A finding says what is, and what to do about it.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from waymark.errors import CodeTooOld, SettingsError, StoreError
from waymark.store.packing import VARIABLE, chosen_packer

from .address import parse_address
from .connecting import Connector, close_quietly
from .failures import FAILURES, translate
from .migration import applied_migrations, missing_migrations, shipped_migrations
from .statements import Statements

if TYPE_CHECKING:
    import asyncpg

    Record: TypeAlias = asyncpg.Record

Level: TypeAlias = Literal["ok", "warning", "problem"]

#: The database's clock and ours may differ by this much before it is worth a word.
SKEW_SECONDS = 2.0
#: A run that waits for an owner for longer than this waits in vain.
UNCLAIMED_SECONDS = 60.0
#: A message that was not heard within this time.
UNHEARD_SECONDS = 300.0
#: A transaction this old keeps vacuum from doing its work.
OLD_TRANSACTION_SECONDS = 300.0
#: Dead rows beyond a share of the living ones, and beyond a number.
BLOAT_SHARE, BLOAT_ROWS = 1.0, 50_000
#: What one process may open (see `connecting`).
CONNECTIONS_PER_PROCESS = 7


@dataclass(frozen=True, slots=True)
class Finding:
    """`subject` is one word; `text` what is, `remedy` what to do, empty when all is well."""

    level: Level
    subject: str
    text: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Patient:
    """A database that is looked at."""

    connection: asyncpg.Connection[asyncpg.Record]
    statements: Statements

    async def ask(self, statement: str, *arguments: object) -> list[Record]:
        return await self.connection.fetch(self.statements[statement], *arguments)

    async def ask_one(self, statement: str, *arguments: object) -> Record:
        (row,) = await self.ask(statement, *arguments)
        return row


Check: TypeAlias = Callable[[Patient], Awaitable[list[Finding]]]


async def check_up(url: str, schema: str = "waymark") -> list[Finding]:
    """Everything that is to be said of a database. Raises `SettingsError`,
    `DatabaseUnreachable`, `DatabaseTooOld`, and `StoreError` where something may not be read."""
    statements = Statements(schema)
    async with _connected(url, statements) as connection:
        patient = Patient(connection, statements)
        findings = [await _server(patient), _engine()]
        findings += await _settings(patient)
        findings += await _clock(patient)
        broken = await _schema(patient)
        findings += broken
        if not any(finding.level == "problem" for finding in broken):
            for check in CHECKS:
                findings += await check(patient)
        return findings


@asynccontextmanager
async def _connected(
    url: str, statements: Statements
) -> AsyncGenerator[asyncpg.Connection[asyncpg.Record]]:
    connector = Connector(parse_address(url))
    connection = await connector.first_connection(statements["server_process"])
    try:
        yield connection
    except FAILURES as error:
        raise translate(error) from error
    finally:
        await close_quietly(connection)


async def _server(patient: Patient) -> Finding:
    version = patient.connection.get_server_version()
    return Finding("ok", "server", f"PostgreSQL {version.major}.{version.minor}")


def _engine() -> Finding:
    try:
        return Finding("ok", "engine", f"flushes are laid out in {chosen_packer().name.title()}")
    except SettingsError as error:
        remedy = f"install waymark[accel], or unset {VARIABLE}, where processes are started"
        return Finding("problem", "engine", str(error), remedy)


async def _settings(patient: Patient) -> list[Finding]:
    settings = {row["name"]: row["setting"] for row in await patient.ask("doctor_settings")}
    found = [
        Finding("problem", "settings", f"{name} is off: {harm}", f"set {name} = on, and reload")
        for name, harm in (
            ("fsync", "a crash of the machine may lose or damage everything"),
            ("full_page_writes", "a crash of the machine may damage the tables"),
            ("synchronous_commit", "what was acknowledged may be lost in a crash of the server"),
            ("autovacuum", "tables grow without end"),
        )
        if settings.get(name) == "off"
    ]
    if settings.get("transaction_read_only") == "on":
        found.append(
            Finding(
                "problem",
                "settings",
                "the server takes no writes (a standby, or default_transaction_read_only)",
                "point the URL at the primary, or use target_session_attrs=read-write",
            )
        )
    return found or [Finding("ok", "settings", "what was acknowledged is kept")]


async def _clock(patient: Patient) -> list[Finding]:
    before = time.time()
    row = await patient.ask_one("doctor_clock")
    after = time.time()
    skew = row["now"].timestamp() - (before + after) / 2
    found: list[Finding] = []
    if abs(skew) > SKEW_SECONDS + (after - before):
        found.append(
            Finding(
                "warning",
                "clock",
                f"the database's clock is {abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'}"
                " this machine's",
                "let both be set by NTP; leases and retention go by the database's clock",
            )
        )
    limits = await patient.ask("doctor_settings")
    limit = next(int(each["setting"]) for each in limits if each["name"] == "max_connections")
    free = limit - row["connections"]
    if free < 2 * CONNECTIONS_PER_PROCESS:
        found.append(
            Finding(
                "warning",
                "connections",
                f"{row['connections']} of max_connections = {limit} are taken, and a process may"
                f" open {CONNECTIONS_PER_PROCESS}",
                "raise max_connections, or put a pooler in between",
            )
        )
    return found or [Finding("ok", "clock", f"{abs(skew):.3f} s beside this machine's")]


# The schema


async def _schema(patient: Patient) -> list[Finding]:
    """Whether all migrations were applied, and all that they made is there."""
    schema, shipped = patient.statements.schema, shipped_migrations()
    applied = await applied_migrations(patient.connection, patient.statements)
    if not applied:
        return [
            Finding(
                "problem",
                "schema",
                f"there is no schema {schema!r} of Waymark in this database",
                "start an app on it once (it makes the schema), or name the right one with"
                " --schema or WAYMARK_SCHEMA",
            )
        ]
    try:
        missing = missing_migrations(shipped, applied, schema)
    except CodeTooOld as error:
        return [Finding("problem", "schema", str(error), "upgrade the package waymark here")]
    except StoreError as error:
        return [Finding("problem", "schema", str(error), "restore the migration's file")]
    if missing:
        names = ", ".join(f"{each.number} ({each.name})" for each in missing)
        return [
            Finding(
                "problem",
                "schema",
                f"migrations are missing: {names}",
                "start an app of this release with a user who may change the schema",
            )
        ]
    newest = max(each.number for each in applied)
    ours = max(each.number for each in shipped)
    found = await _relations(patient)
    if newest > ours:
        found.append(
            Finding(
                "warning",
                "schema",
                f"the schema is of a newer release (code {newest}, here {ours}), which this one"
                " can live on",
                "upgrade the package waymark here before you believe what follows",
            )
        )
    return found or [Finding("ok", "schema", f"{schema}, code {newest}")]


_MADE = re.compile(
    r'^create (?:unique )?(index|table) (?:if not exists )?(?::"schema"\.)?(\w+)', re.MULTILINE
)
_DROPPED = re.compile(r'^drop (?:index|table) (?:if exists )?:"schema"\.(\w+)', re.MULTILINE)


def expected_relations(texts: Sequence[str]) -> set[str]:
    """The tables and named indexes that migrations leave behind."""
    expected: set[str] = set()
    for text in texts:
        events = [(match.start(), match[2], True) for match in _MADE.finditer(text)]
        events += [(match.start(), match[1], False) for match in _DROPPED.finditer(text)]
        for _, name, made in sorted(events):
            (expected.add if made else expected.discard)(name)
    return expected


async def _relations(patient: Patient) -> list[Finding]:
    rows = {row["name"]: row for row in await patient.ask("doctor_relations", _schema_of(patient))}
    expected = expected_relations([migration.text for migration in shipped_migrations()])
    found = [
        Finding(
            "problem",
            "indexes",
            f"{name} is missing; somebody dropped it",
            "make it again as the files in migrations/ do",
        )
        for name in sorted(expected - set(rows))
    ]
    found.extend(
        Finding("problem", "indexes", f"the index {name} is not valid", f"reindex index {name}")
        for name, row in rows.items()
        if not row["valid"]
    )
    return found


def _schema_of(patient: Patient) -> str:
    return patient.statements.schema


# What lives in it


async def _workers(patient: Patient) -> list[Finding]:
    rows = await patient.ask("doctor_workers")
    found = [_worker(row) for row in rows]
    if not rows:
        found.append(
            Finding(
                "warning",
                "workers",
                "no process is alive: nothing executes runs",
                "start the app",
            )
        )
    return found


def _worker(row: Record) -> Finding:
    about = _about(row)
    who = f"process {about.get('pid')} on {about.get('host')}"
    if row["seconds_left"] < 0:
        return Finding(
            "warning",
            "workers",
            f"{who} has not beaten for {-row['seconds_left']:.0f} s beyond its lease",
            "if nobody declares it dead within seconds, no process is there to do it",
        )
    queues = ", ".join(about.get("queues", ("unknown",))) or "none"
    return Finding(
        "ok",
        "workers",
        f"{who}, up {row['seconds_alive']:.0f} s, lease ends in {row['seconds_left']:.0f} s,"
        f" queues: {queues}",
    )


def _about(row: Record) -> dict[str, Any]:
    about: object = json.loads(row["about"])
    return cast("dict[str, Any]", about) if isinstance(about, dict) else {}


async def _blocked(patient: Patient) -> list[Finding]:
    return [
        Finding(
            "problem",
            "blocked",
            f"{_runs(row)} of {row['workflow']} (graph {row['graph']}), the oldest for"
            f" {_age(row['seconds'])}: {row['reason'] or 'no reason is recorded'}",
            "start a process that has what is missing; they go on by themselves",
        )
        for row in await patient.ask("doctor_blocked")
    ]


async def _quarantined(patient: Patient) -> list[Finding]:
    return [
        Finding(
            "problem",
            "quarantined",
            f"{_runs(row)} of {row['workflow']}, such as {row['example']}: {row['reason']}",
            "these stand still for good and are kept; see what the reason says",
        )
        for row in await patient.ask("doctor_quarantined")
    ]


async def _unclaimed(patient: Patient) -> list[Finding]:
    served = {
        queue
        for row in await patient.ask("doctor_workers")
        for queue in _about(row).get("queues", ("default",))
    }
    found: list[Finding] = []
    for row in await patient.ask("doctor_unclaimed", UNCLAIMED_SECONDS):
        queue = row["queue"]
        nobody = queue not in served
        found.append(
            Finding(
                "problem",
                "unclaimed",
                f"{_runs(row)} of {row['workflow']} wait in the queue {queue!r}, the oldest for"
                f" {_age(row['seconds'])}" + (", which no live process serves" if nobody else ""),
                f"start a process with queues=({queue!r},)"
                if nobody
                else "the processes that serve it are full or cannot keep up: start more",
            )
        )
    orphans = (await patient.ask_one("doctor_orphans"))["runs"]
    if orphans and not served:
        found.append(
            Finding(
                "problem",
                "unclaimed",
                f"{orphans} runs were left by processes that died, and nobody is there",
                "start the app",
            )
        )
    return found


async def _inbox(patient: Patient) -> list[Finding]:
    row = await patient.ask_one("doctor_inbox", UNHEARD_SECONDS)
    found: list[Finding] = []
    if row["living"]:
        found.append(
            Finding(
                "problem",
                "inbox",
                f"{row['living']} messages to living runs were not heard for"
                f" {_age(UNHEARD_SECONDS)}",
                "their runs are blocked, or their owners do not read: see above, and the log",
            )
        )
    if row["strange"]:
        found.append(
            Finding(
                "warning",
                "inbox",
                f"{row['strange']} messages to runs that are not there",
                "whoever sends them has a wrong id; retention removes them",
            )
        )
    return found


async def _bloat(patient: Patient) -> list[Finding]:
    found: list[Finding] = []
    for row in await patient.ask("doctor_relations", _schema_of(patient)):
        if row["is_table"] and row["dead"] > max(BLOAT_ROWS, BLOAT_SHARE * row["live"]):
            vacuumed = row["vacuumed_at"]
            found.append(
                Finding(
                    "problem",
                    "bloat",
                    f"{row['name']} has {row['dead']:,} dead rows beside {row['live']:,} living;"
                    f" last autovacuum: {vacuumed or 'never'}",
                    "see what holds it up (below), then vacuum"
                    f" {_schema_of(patient)}.{row['name']}",
                )
            )
    return found


async def _holders(patient: Patient) -> list[Finding]:
    found = [
        Finding(
            "problem" if row["seconds"] > 12 * OLD_TRANSACTION_SECONDS else "warning",
            "transactions",
            f"{row['holder']} has been in its transaction for {_age(row['seconds'])}; until it"
            " ends, dead rows stay",
            "end it (pg_terminate_backend, rollback prepared), and find out who left it open",
        )
        for row in await patient.ask("doctor_holders", OLD_TRANSACTION_SECONDS)
    ]
    found.extend(
        Finding(
            "warning",
            "transactions",
            f"nobody reads the replication slot {row['name']}; it keeps old log and rows",
            "let its reader come back, or drop the slot",
        )
        for row in await patient.ask("doctor_slots")
    )
    return found


CHECKS: Sequence[Check] = (
    _workers,
    _blocked,
    _quarantined,
    _unclaimed,
    _inbox,
    _bloat,
    _holders,
)


def _runs(row: Record) -> str:
    return "1 run" if row["runs"] == 1 else f"{row['runs']:,} runs"


def _age(seconds: float) -> str:
    for unit, length in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
