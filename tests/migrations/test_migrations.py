"""How a schema comes to be what the code needs, and who may run on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import asyncpg
import pytest

from tests.database import execute
from tests.store.rows import seen_workers
from waymark.errors import CodeTooOld, MigrationNeeded, StoreError, WaymarkBug
from waymark.store.postgres import PostgresStore
from waymark.store.postgres.migration import (
    Migration,
    applied_migrations,
    ensure_schema,
    migrations_dir,
    read_migrations,
    shipped_migrations,
)
from waymark.store.postgres.statements import Statements

pytestmark = pytest.mark.anyio


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


def later(number: int, oldest_code: int, text: str = "select 1;") -> Migration:
    return Migration(number, f"step_{number}", oldest_code, text)


async def test_an_empty_database_gets_the_schema(
    connection: asyncpg.Connection, schema: str
) -> None:
    """The first start applies everything and notes it; the second finds nothing to do."""
    statements = Statements(schema)
    done = await ensure_schema(connection, statements, shipped_migrations())
    assert [migration.number for migration in done] == [m.number for m in shipped_migrations()]
    rows = await applied_migrations(connection, statements)
    assert [row.name for row in rows] == [m.name for m in shipped_migrations()]
    assert await ensure_schema(connection, statements, shipped_migrations()) == []


async def test_processes_that_start_together_migrate_once(database_url: str, schema: str) -> None:
    """Five starts at once on an empty database give one schema."""
    stores = [PostgresStore(database_url, schema=schema) for _ in range(5)]
    await asyncio.gather(*(store.open() for store in stores))
    applied = [migration.number for store in stores for migration in store.applied]
    assert sorted(applied) == [migration.number for migration in shipped_migrations()]
    for store in stores:
        await store.close()


async def test_an_existing_empty_schema_is_used(
    connection: asyncpg.Connection, schema: str
) -> None:
    """An administrator may have made the schema for a user who may not."""
    await connection.execute(f'create schema "{schema}"')
    assert await ensure_schema(connection, Statements(schema), shipped_migrations())


async def test_only_what_is_missing_is_applied(connection: asyncpg.Connection, schema: str) -> None:
    """A newer release adds its migrations to what is there."""
    statements = Statements(schema)
    first = [later(1, 1, 'create table :"schema".kept (x int);')]
    await ensure_schema(connection, statements, first)
    await connection.execute(f'insert into "{schema}".kept values (1)')
    both = [*first, later(2, 1, 'alter table :"schema".kept add y int default 2;')]
    assert await ensure_schema(connection, statements, both) == both[1:]
    assert [tuple(row) for row in await connection.fetch(f'select * from "{schema}".kept')] == [
        (1, 2)
    ]


async def test_a_migration_that_fails_leaves_no_trace(
    connection: asyncpg.Connection, schema: str
) -> None:
    """Each migration is a transaction: those before it stay, it is tried again later."""
    statements = Statements(schema)
    bad = later(2, 1, 'create table :"schema".half (x int); select no_such_column;')
    with pytest.raises(asyncpg.UndefinedColumnError):
        await ensure_schema(connection, statements, [later(1, 1), bad])
    assert [row.number for row in await applied_migrations(connection, statements)] == [1]
    assert await connection.fetchval("select to_regclass($1)", f"{schema}.half") is None


async def test_old_code_runs_on_a_newer_schema_that_allows_it(
    connection: asyncpg.Connection, schema: str
) -> None:
    """Pods of the previous release live through a rolling deploy and a rollback."""
    statements = Statements(schema)
    await ensure_schema(connection, statements, [later(1, 1), later(2, 1)])
    assert await ensure_schema(connection, statements, [later(1, 1)]) == []


async def test_old_code_stops_on_a_schema_that_forbids_it(
    connection: asyncpg.Connection, schema: str
) -> None:
    """A migration that old code cannot live with says so, and the message what to do."""
    statements = Statements(schema)
    await ensure_schema(connection, statements, [later(1, 1), later(2, 2), later(3, 1)])
    with pytest.raises(CodeTooOld, match=r"migration 2 \(step_2\) needs code 2.*Upgrade"):
        await ensure_schema(connection, statements, [later(1, 1)])
    assert await ensure_schema(connection, statements, [later(1, 1), later(2, 2)]) == []


async def test_an_edited_migration_is_refused(connection: asyncpg.Connection, schema: str) -> None:
    """What was applied never changes; line ends do not count."""
    statements = Statements(schema)
    await ensure_schema(connection, statements, [later(1, 1, "select 1;\nselect 2;\n")])
    assert (
        await ensure_schema(connection, statements, [later(1, 1, "select 1;\r\nselect 2;")]) == []
    )
    with pytest.raises(StoreError, match=r"migration 1 \(step_1\) differs .*restore"):
        await ensure_schema(connection, statements, [later(1, 1, "select 3;")])


async def test_migrating_may_be_left_to_others(database_url: str, schema: str) -> None:
    """Who only checks says what is missing and which command mends it."""
    with pytest.raises(MigrationNeeded, match=r"1 \(initial\).*waymark migrate"):
        await PostgresStore(database_url, schema=schema, migrate=False).open()


async def test_without_rights_the_command_is_named(database_url: str, schema: str) -> None:
    """A user who may not create the schema hears so; once it was migrated for them and
    granted, the same user can work."""
    role = f"{schema}_app"
    execute(database_url, f'create role "{role}" login')
    try:
        parts = urlsplit(database_url)
        host = parts.netloc.rpartition("@")[2]
        theirs = parts._replace(netloc=f"{quote(role)}@{host}").geturl()
        with pytest.raises(MigrationNeeded, match=r"permission denied.*waymark migrate"):
            await PostgresStore(theirs, schema=schema).open()

        admin = PostgresStore(database_url, schema=schema)
        await admin.open()
        await admin.close()
        with pytest.raises(MigrationNeeded, match="may not be read"):
            await PostgresStore(theirs, schema=schema).open()

        execute(
            database_url,
            f'grant usage on schema "{schema}" to "{role}"',
            f'grant select, insert, update, delete on all tables in schema "{schema}" to "{role}"',
        )
        store = PostgresStore(theirs, schema=schema)
        await store.open()
        assert await seen_workers(store) == []
        await store.close()
    finally:
        execute(
            database_url,
            f'drop schema if exists "{schema}" cascade',
            f'drop owned by "{role}"',
            f'drop role "{role}"',
        )


async def test_two_schemas_do_not_meet(database_url: str, schema: str) -> None:
    """Two applications may keep their runs in one database."""
    second = f"{schema}_b"
    stores = [PostgresStore(database_url, schema=name) for name in (schema, second)]
    try:
        for store in stores:
            await store.open()
        await stores[0].put_graph(b"hash", "app:W", "{}")
        assert await stores[1].get_graph(b"hash") is None
    finally:
        for store in stores:
            await store.close()
        execute(database_url, f'drop schema if exists "{second}" cascade')


def test_the_files_are_found_and_in_order() -> None:
    """The shipped migrations are numbered in order, and none demands code that does not
    exist yet."""
    assert (migrations_dir() / "0001_initial.sql").is_file()
    shipped = shipped_migrations()
    numbers = [migration.number for migration in shipped]
    assert numbers[0] == 1
    assert numbers == sorted(set(numbers))
    assert all(1 <= migration.oldest_code <= migration.number for migration in shipped)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("1_initial.sql", "-- oldest-code: 1\n"),
        ("0001_initial.sql", "create table x (y int);"),
        ("0002_second.sql", "-- oldest-code: 1\n"),
    ],
)
def test_a_misnamed_file_is_our_bug(tmp_path: Path, name: str, text: str) -> None:
    """A file that could not be ordered, or that does not say who may run on it, is
    never silently left out."""
    (tmp_path / name).write_text(text)
    with pytest.raises(WaymarkBug):
        read_migrations(tmp_path)
