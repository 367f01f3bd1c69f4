"""Actions that harm their process: a fleet survives one that kills it, and one that holds
up the event loop costs nobody anything."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.chaos.site import PATIENCE_SECONDS, ROOT
from tests.database import aside
from waymark.store.records import RunState
from waymark.store.suspects import CRASHES_MAX

pytestmark = pytest.mark.chaos

Start = Callable[..., "subprocess.Popen[bytes]"]


class Database:
    def __init__(self, url: str, schema: str) -> None:
        self.url = url
        self.schema = schema

    def rows(self, sql: str) -> list[Any]:
        async def ask() -> list[Any]:
            connection = await asyncpg.connect(self.url)
            try:
                return list(await connection.fetch(sql.replace("{schema}", self.schema)))
            except asyncpg.UndefinedTableError:
                return []  # The first process has not got so far.
            finally:
                await connection.close()

        return aside(ask())

    def states(self, name: str) -> list[int]:
        sql = "select state from {schema}.runs where workflow like '%:" + name + "'"
        return [row["state"] for row in self.rows(sql)]


@pytest.fixture
def database(database_url: str, schema: str) -> Database:
    return Database(database_url, schema)


@pytest.fixture
def start(database: Database, tmp_path: Path) -> Iterator[Start]:
    """Starts processes, which end with the test; what they log is in `log-N`."""
    started: list[subprocess.Popen[bytes]] = []

    def start(names: str = "") -> subprocess.Popen[bytes]:
        with (tmp_path / f"log-{len(started)}").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.lethal", database.url, database.schema, names],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait()
        assert process.stdout is not None
        process.stdout.close()


def until(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_run_that_kills_its_processes_is_stopped_from_that(
    database: Database, start: Start
) -> None:
    """So many die of it and no more; the reason names the action; all else goes on."""
    deaths, process = 0, start("Innocent,Innocent,Innocent,Lethal")
    until(lambda: process.poll() is not None or database.states("Innocent"))
    while RunState.QUARANTINED not in database.states("Lethal"):
        if process.poll() is not None:
            assert process.returncode == -signal.SIGKILL
            deaths += 1
            assert deaths <= CRASHES_MAX
            process = start()
        time.sleep(0.05)
    assert deaths == CRASHES_MAX
    until(lambda: database.states("Innocent") == [RunState.SUCCEEDED] * 3)
    (row,) = database.rows("select reason from {schema}.runs where workflow like '%:Lethal'")
    assert row["reason"] == (
        "10 processes in a row died of it without a new entry in its journal, the last one while"
        " it ran tests.chaos.lethal:lethal; mend that, then let the run go on"
    )
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE_SECONDS) == 0


def test_an_action_that_blocks_the_loop_costs_no_lease(
    database: Database, start: Start, tmp_path: Path
) -> None:
    """Five leases long nothing turns in its process, while another one looks for work: the
    run stays where it is, and the log names the action."""
    other = start()
    assert other.stdout is not None
    assert other.stdout.readline() == b"ready\n"
    process = start("Blocking")
    until(lambda: RunState.SUCCEEDED in database.states("Blocking"))
    (row,) = database.rows("select epoch from {schema}.runs")
    assert row["epoch"] == 1
    assert len(database.rows("select from {schema}.workers")) == 2
    for one in (process, other):
        one.send_signal(signal.SIGTERM)
        assert one.wait(PATIENCE_SECONDS) == 0
    log = (tmp_path / "log-1").read_text()
    assert "has not turned for" in log
    assert "action tests.chaos.lethal:blocking is at " in log
    assert "declared dead" not in (tmp_path / "log-0").read_text()
