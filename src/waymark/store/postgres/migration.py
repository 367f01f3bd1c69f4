"""Brings a schema up to date, and says who may run on it.

Rules

1.  Migrations are numbered files; each is applied once, in order, in its own
    transaction, under an advisory lock that one process holds at a time.
2.  The number of the newest migration that a release ships is its code number.
    Each migration says in its first line, as `-- oldest-code: N`, which code is
    still able to run on the schema that it leaves. So pods of the previous release
    live through a rolling deploy, and a rollback, unless a migration forbids it.
3.  A file that was applied never changes: its checksum is kept and compared.
4.  An up to date schema is only read, so a user without rights to change it can
    run; where rights are missing the error says what to do.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from waymark.errors import CodeTooOld, MigrationNeeded, StoreError, WaymarkBug

from .statements import Statements, with_schema

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]

_FILE = re.compile(r"(\d{4})_(\w+)\.sql")
_OLDEST_CODE = re.compile(r"-- oldest-code: (\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of `migrations/`."""

    number: int
    name: str
    oldest_code: int
    text: str

    @property
    def checksum(self) -> str:
        """Of the text, whatever its line ends (git may have changed them)."""
        return hashlib.sha256("\n".join(self.text.splitlines()).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class AppliedMigration:
    """One row of the table `migrations`."""

    number: int
    name: str
    checksum: str
    oldest_code: int


def migrations_dir() -> Path:
    """Where the files are: in the package once it is installed, beside `src` in a
    working copy."""
    package = Path(__file__).parents[2]
    for directory in (package / "migrations", package.parents[1] / "migrations"):
        if directory.is_dir():
            return directory
    raise WaymarkBug(f"there is no directory of migrations beside {package}")


@cache
def shipped_migrations() -> tuple[Migration, ...]:
    """What this release brings along."""
    return read_migrations(migrations_dir())


def read_migrations(directory: Path) -> tuple[Migration, ...]:
    """The migrations of a directory, in order. Numbers may be missing, where parts that were
    written at the same time were given theirs in advance."""
    found: list[Migration] = []
    for path in sorted(directory.glob("*.sql")):
        text = path.read_text(encoding="utf-8")
        named, oldest = _FILE.fullmatch(path.name), _OLDEST_CODE.match(text)
        if named is None or oldest is None:
            raise WaymarkBug(f"{path.name} is not NNNN_name.sql beginning with `-- oldest-code: N`")
        found.append(Migration(int(named[1]), named[2], int(oldest[1]), text))
    numbers = [migration.number for migration in found]
    if numbers[:1] != [1] or len(set(numbers)) < len(numbers):
        raise WaymarkBug(f"the migrations in {directory} are not numbered 1, 2, 3, …, each once")
    return tuple(found)


async def ensure_schema(
    connection: Connection,
    statements: Statements,
    shipped: Sequence[Migration],
    *,
    migrate: bool = True,
) -> list[Migration]:
    """Check the schema, and migrate it where that is needed and `migrate` says so.
    Returns what was applied. Raises `CodeTooOld` and `MigrationNeeded`."""
    applied = await applied_migrations(connection, statements)
    missing = missing_migrations(shipped, applied, statements.schema)
    if not missing:
        return []
    if not migrate:
        raise MigrationNeeded(_needed(statements.schema, missing, "it is not to be done here"))
    try:
        return await _migrate(connection, statements, shipped)
    except (asyncpg.InsufficientPrivilegeError, asyncpg.ReadOnlySQLTransactionError) as error:
        raise MigrationNeeded(_needed(statements.schema, missing, str(error))) from error


async def applied_migrations(
    connection: Connection, statements: Statements
) -> list[AppliedMigration]:
    """What the schema says was applied; nothing where there is no schema."""
    if not await connection.fetchval(statements["has_migrations"], statements.schema):
        return []
    try:
        rows = await connection.fetch(statements["applied_migrations"])
    except asyncpg.InsufficientPrivilegeError as error:
        raise MigrationNeeded(
            f"the schema {statements.schema!r} may not be read ({error}); grant its tables to this"
            " user, or run `waymark migrate` with a user who may"
        ) from error
    return [AppliedMigration(*row) for row in rows]


def missing_migrations(
    shipped: Sequence[Migration], applied: Sequence[AppliedMigration], schema: str
) -> list[Migration]:
    """What is still to be applied. Raises `CodeTooOld` when the schema is past this
    code, `StoreError` when a file was edited after it had been applied."""
    code = shipped[-1].number
    newest = max(applied, key=lambda row: row.oldest_code, default=None)
    if newest is not None and newest.oldest_code > code:
        raise CodeTooOld(
            f"the schema {schema!r} was migrated by a newer Waymark: migration {newest.number}"
            f" ({newest.name}) needs code {newest.oldest_code} or newer, and this is code {code}."
            " Upgrade the package waymark"
        )
    known = {row.number: row for row in applied}
    for migration in shipped:
        row = known.get(migration.number)
        if row is not None and row.checksum != migration.checksum:
            raise StoreError(
                f"migration {migration.number} ({migration.name}) differs from the one that was"
                f" applied to the schema {schema!r}. An applied migration never changes: restore"
                " the file, and put the change into a new migration"
            )
    return [migration for migration in shipped if migration.number not in known]


async def _migrate(
    connection: Connection, statements: Statements, shipped: Sequence[Migration]
) -> list[Migration]:
    """Apply what is missing once the lock is ours; another process may have done
    it meanwhile."""
    done: list[Migration] = []
    while True:
        async with connection.transaction():
            await connection.execute(statements["lock_migrations"], statements.schema)
            if not await connection.fetchval(statements["has_schema"], statements.schema):
                await connection.execute(statements["create_schema"])
            if not await connection.fetchval(statements["has_migrations"], statements.schema):
                await connection.execute(statements["create_migrations"])
            applied = await applied_migrations(connection, statements)
            missing = missing_migrations(shipped, applied, statements.schema)
            if not missing:
                return done
            migration = missing[0]
            await connection.execute(with_schema(migration.text, statements.schema), timeout=3600)
            await connection.execute(
                statements["record_migration"],
                migration.number,
                migration.name,
                migration.checksum,
                migration.oldest_code,
            )
            done.append(migration)


def _needed(schema: str, missing: Sequence[Migration], reason: str) -> str:
    names = ", ".join(f"{migration.number} ({migration.name})" for migration in missing)
    return (
        f"the schema {schema!r} needs migrations: {names}; this process did not apply them:"
        f" {reason}. Run `waymark migrate` with a user who may"
    )
