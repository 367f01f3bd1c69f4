"""`waymark doctor` names what is wrong with a database, and what to do about it."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from click.testing import Result

from tests.database import execute
from tests.store.rows import batch, free_run, live_worker, owned_run, release
from waymark.store.postgres import PostgresStore, checkup, connecting
from waymark.store.postgres.checkup import expected_relations
from waymark.store.postgres.migration import shipped_migrations
from waymark.store.records import EntryKind, Message, RunEnd, RunState

from .conftest import Project

OLD = "submitted_at = now() - interval '1 hour'"


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WAYMARK_DATABASE_URL", "WAYMARK_SCHEMA", "WAYMARK_DATA_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)


class Practice:
    """A database, what is put into it, and the doctor."""

    def __init__(self, project: Project, url: str, schema: str) -> None:
        self.project = project
        self.url = url
        self.schema = schema

    def fill(self, work: Callable[[PostgresStore], Coroutine[Any, Any, None]]) -> None:
        async def filled() -> None:
            store = PostgresStore(self.url, schema=self.schema)
            await store.open()
            try:
                await work(store)
            finally:
                await store.close()

        asyncio.run(filled())

    def execute(self, statement: str) -> None:
        execute(self.url, statement.format(schema=f'"{self.schema}"'))

    def look(self, *options: str, url: str | None = None) -> Result:
        return self.project.call(
            "doctor", "--database-url", url or self.url, "--schema", self.schema, *options
        )

    def problems(self, level: str = "problem") -> dict[str, tuple[str, str]]:
        """Text and remedy by subject."""
        found = json.loads(self.look("--output-format", "json").stdout)
        return {
            each["subject"]: (each["text"], each["remedy"])
            for each in found
            if each["level"] == level
        }


@pytest.fixture
def practice(project: Project, database_url: str, schema: str) -> Practice:
    return Practice(project, database_url, schema)


async def healthy(store: PostgresStore) -> None:
    await store.register_worker(uuid4(), 3600.0, '{"host":"web1","pid":7,"queues":["default"]}')


# A database that cannot be looked at


def test_without_a_database_it_says_how_to_name_one(project: Project) -> None:
    result = project.call("doctor")
    assert result.exit_code == 2
    assert result.stderr == (
        "waymark doctor: no database is named; give --database-url or set WAYMARK_DATABASE_URL,"
        " or, for the embedded PostgreSQL, --data-directory (start() says which one it uses)\n"
    )


def test_memory_is_no_place_to_look_at(project: Project) -> None:
    result = project.call("doctor", "--database-url", "memory://")
    assert (result.exit_code, result.stderr) == (
        2,
        "waymark doctor: memory:// ends with its process, so there is nothing to look at\n",
    )


def test_a_data_directory_that_is_not_there_is_not_made(project: Project) -> None:
    result = project.call("doctor", "--data-directory", "nowhere")
    assert (result.exit_code, result.stderr) == (
        2,
        "waymark doctor: there is no data directory nowhere\n",
    )
    assert not (project.directory / "nowhere").exists()


def test_a_server_that_is_away_is_named_without_its_password(project: Project) -> None:
    url = "postgresql://me:hidden@127.0.0.1:1/app"
    result = project.call("doctor", "--database-url", url)
    assert result.exit_code == 2
    assert "cannot connect to PostgreSQL at 127.0.0.1:1, database 'app'" in result.stderr
    assert "is the server running, and are host and port right?" in result.stderr
    assert "hidden" not in result.output


def test_a_server_that_is_too_old_is_refused(
    practice: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "OLDEST_MAJOR", 99)
    result = practice.look()
    assert result.exit_code == 2
    assert "Waymark needs 99 or newer. Upgrade it" in result.stderr


def test_a_bad_schema_is_refused(project: Project, database_url: str) -> None:
    result = project.call("doctor", "--database-url", database_url, "--schema", "a b")
    assert result.exit_code == 2
    assert "use letters, digits and underscores" in result.stderr


# The database itself


def test_a_database_without_waymark_is_a_problem(practice: Practice) -> None:
    result = practice.look()
    assert result.exit_code == 1
    assert f"there is no schema '{practice.schema}' of Waymark in this database" in result.stdout
    assert "-> start an app on it once" in result.stdout


def test_all_is_well(practice: Practice) -> None:
    """And it says what it has looked at."""
    practice.fill(healthy)
    result = practice.look()
    assert result.exit_code == 0, result.output
    assert "ok       server        PostgreSQL " in result.stdout
    assert "ok       engine        flushes are laid out in " in result.stdout
    assert "ok       schema        " in result.stdout
    assert "process 7 on web1, up " in result.stdout
    assert result.stdout.splitlines()[-1].startswith("0 problems, ")


def test_settings_that_lose_what_was_acknowledged(practice: Practice) -> None:
    practice.fill(healthy)
    join = "&" if "?" in practice.url else "?"
    result = practice.look(url=f"{practice.url}{join}synchronous_commit=off")
    assert result.exit_code == 1
    assert "synchronous_commit is off: what was acknowledged may be lost" in result.stdout


def test_a_clock_that_is_wrong(practice: Practice, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of this machine, by the database's."""
    practice.fill(healthy)
    right = time.time
    for hours, word in ((1, "behind"), (-1, "ahead of")):
        wrong = SimpleNamespace(time=lambda hours=hours: right() + 3600 * hours)
        monkeypatch.setattr(checkup, "time", wrong)
        text, remedy = practice.problems("warning")["clock"]
        assert re.fullmatch(rf"the database's clock is 3[56]\d\d\.\d s {word} this machine's", text)
        assert "NTP" in remedy


def test_connections_that_run_short(practice: Practice, monkeypatch: pytest.MonkeyPatch) -> None:
    practice.fill(healthy)
    monkeypatch.setattr(checkup, "CONNECTIONS_PER_PROCESS", 10_000)
    text, remedy = practice.problems("warning")["connections"]
    assert "a process may open 10000" in text
    assert "max_connections" in remedy


def test_a_migration_that_is_missing(practice: Practice) -> None:
    practice.fill(healthy)
    newest = shipped_migrations()[-1]
    practice.execute(f"delete from {{schema}}.migrations where number = {newest.number}")
    text, remedy = practice.problems()["schema"]
    assert text == f"migrations are missing: {newest.number} ({newest.name})"
    assert "start an app of this release" in remedy


def test_an_index_that_somebody_dropped(practice: Practice) -> None:
    practice.fill(healthy)
    practice.execute("drop index {schema}.runs_finished")
    assert practice.problems()["indexes"][0] == "runs_finished is missing; somebody dropped it"


def test_what_migrations_leave_behind_is_known(practice: Practice) -> None:
    """Also where one of them makes what another has dropped."""
    texts = [
        'create table :"schema".a (x int);\ncreate index a_x on :"schema".a (x);',
        'drop index :"schema".a_x;\ncreate unique index a_y on :"schema".a (x);',
        'create index a_x on :"schema".a (x);\ndrop table if exists :"schema".b;',
    ]
    assert expected_relations(texts) == {"a", "a_x", "a_y"}
    assert expected_relations(texts[:2]) == {"a", "a_y"}
    assert {"runs", "journal", "runs_finished"} <= expected_relations(
        [migration.text for migration in shipped_migrations()]
    )


# What lives in it


def test_nobody_is_alive(practice: Practice) -> None:
    practice.fill(lambda store: asyncio.sleep(0))
    assert practice.problems("warning")["workers"] == (
        "no process is alive: nothing executes runs",
        "start the app",
    )


def test_a_worker_that_has_not_beaten(practice: Practice) -> None:
    async def late(store: PostgresStore) -> None:
        await store.register_worker(uuid4(), -100.0, '{"host":"web1","pid":7}')

    practice.fill(late)
    text, _ = practice.problems("warning")["workers"]
    assert text.startswith("process 7 on web1 has not beaten for 10")


def test_runs_that_are_blocked_are_named_with_what_is_missing(practice: Practice) -> None:
    async def blocked(store: PostgresStore) -> None:
        await healthy(store)
        for _ in range(2):
            await store.submit(free_run())
        await store.set_blocked(free_run().graph, "no registered action is called 'app:send'")

    practice.fill(blocked)
    text, remedy = practice.problems()["blocked"]
    assert text.startswith("2 runs of app:Welcome (graph 67726170682d6f662d31362d62797465)")
    assert text.endswith(": no registered action is called 'app:send'")
    assert remedy == "start a process that has what is missing; they go on by themselves"
    assert practice.look().exit_code == 1


def test_runs_that_are_quarantined_are_named_with_the_reason(practice: Practice) -> None:
    runs: list[UUID] = []

    async def quarantined(store: PostgresStore) -> None:
        worker = await live_worker(store)
        run = owned_run(worker)
        runs.append(run.id)
        end = RunEnd(run.id, 1, RunState.QUARANTINED, 0, b"its journal differs")
        await store.flush(0, batch(worker, runs=[run]))
        await store.flush(0, batch(worker, ends=[end]))

    practice.fill(quarantined)
    text, _ = practice.problems()["quarantined"]
    assert text == f"1 run of app:Welcome, such as {runs[0]}: its journal differs"


def test_runs_in_a_queue_that_nobody_serves(practice: Practice) -> None:
    async def waiting(store: PostgresStore) -> None:
        await healthy(store)
        await store.submit(free_run(queue="gpu"))

    practice.fill(waiting)
    assert "unclaimed" not in practice.problems()
    practice.execute(f"update {{schema}}.runs set {OLD}")
    text, remedy = practice.problems()["unclaimed"]
    assert text == (
        "1 run of app:Welcome wait in the queue 'gpu', the oldest for 60 minutes, which no live"
        " process serves"
    )
    assert remedy == "start a process with queues=('gpu',)"


def test_runs_that_wait_although_their_queue_is_served(practice: Practice) -> None:
    async def waiting(store: PostgresStore) -> None:
        await healthy(store)
        await store.submit(free_run())

    practice.fill(waiting)
    practice.execute(f"update {{schema}}.runs set {OLD}")
    assert "full or cannot keep up" in practice.problems()["unclaimed"][1]


def test_runs_of_the_dead_when_nobody_lives(practice: Practice) -> None:
    async def left(store: PostgresStore) -> None:
        worker = await live_worker(store)
        await store.flush(0, batch(worker, runs=[owned_run(worker), owned_run(worker)]))
        await store.remove_worker(worker)

    practice.fill(left)
    assert practice.problems()["unclaimed"] == (
        "2 runs were left by processes that died, and nobody is there",
        "start the app",
    )


def test_messages_that_nobody_hears(practice: Practice) -> None:
    async def unheard(store: PostgresStore) -> None:
        await healthy(store)
        worker = await live_worker(store)
        run = owned_run(worker)
        await store.flush(0, batch(worker, runs=[run]))
        await store.flush(0, batch(worker, releases=[release(run.id)]))
        for run_id in (run.id, uuid4()):
            await store.send([Message(run_id, "stop", EntryKind.CANCEL, "", b"")])

    practice.fill(unheard)
    assert "inbox" not in practice.problems()
    practice.execute("update {schema}.inbox set sent_at = now() - interval '1 hour'")
    assert practice.problems()["inbox"][0] == (
        "1 messages to living runs were not heard for 5 minutes"
    )
    assert practice.problems("warning")["inbox"][0] == "1 messages to runs that are not there"


def test_a_transaction_that_somebody_left_open(
    practice: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds up vacuum for all."""
    practice.fill(healthy)
    monkeypatch.setattr(checkup, "OLD_TRANSACTION_SECONDS", -3600.0)

    async def look_beside() -> dict[str, tuple[str, str]]:
        import asyncpg

        connection = await asyncpg.connect(
            practice.url, server_settings={"application_name": "forgetful"}
        )
        try:
            async with connection.transaction():
                await connection.execute("select 1")
                return await asyncio.to_thread(practice.problems)
        finally:
            await connection.close()

    text, remedy = asyncio.run(look_beside())["transactions"]
    assert "forgetful, idle in transaction" in text
    assert "pg_terminate_backend" in remedy


def test_tables_that_are_mostly_dead_rows(
    practice: Practice, monkeypatch: pytest.MonkeyPatch
) -> None:
    practice.fill(healthy)
    monkeypatch.setattr(checkup, "BLOAT_ROWS", -1)
    monkeypatch.setattr(checkup, "BLOAT_SHARE", -1.0)
    text, remedy = practice.problems()["bloat"]
    assert " dead rows beside " in text
    assert f"vacuum {practice.schema}." in remedy
