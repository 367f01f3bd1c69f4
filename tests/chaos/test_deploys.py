"""Promise 6 with real processes: a run finishes on the graph it began on, whatever is
deployed meanwhile, forwards and backwards; one that nobody can serve is blocked, with what
is missing, and goes on when somebody can."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from tests.chaos.site import PATIENCE_SECONDS, ROOT
from tests.database import aside
from waymark.store.records import RunState

HEAD = """
import asyncio
from dataclasses import dataclass
from pathlib import Path

from waymark import Workflow, action, workflow


@action
async def wait_for(path: str) -> str:
    while not Path(path).exists():
        await asyncio.sleep(0.01)
    return path

"""
CHARGE = """
@action
async def charge(amount: int) -> int:
    return amount

"""
ORDER = """
@workflow
class Order(Workflow):
    async def run(self, path: str, amount: int) -> list[int]:
        first = await charge(amount)
        await wait_for(path)
        second = await charge(amount + 1)
        return [first, second]
"""
V1 = HEAD + CHARGE + ORDER


class Version:
    """A process that runs one version of the application."""

    def __init__(self, shop: Shop, text: str) -> None:
        directory = shop.directory / f"version{len(shop.versions)}"
        directory.mkdir()
        (directory / "shop.py").write_text(text)
        self.log = directory / "log"
        command = [sys.executable, "-m", "tests.chaos.deployed", str(directory)]
        command += ["--url", shop.url, "--schema", shop.schema]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        shop.versions.append(self)
        assert self.line() == "ready", self.log.read_text()

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def submit(self, workflow: str, *args: Any) -> UUID:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([workflow, *args]) + "\n")
        self.process.stdin.flush()
        return UUID(self.line())

    def stop(self) -> None:
        self.process.terminate()
        assert self.process.wait(PATIENCE_SECONDS) == 0, self.log.read_text()
        self.close()

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


class Shop:
    """The database that all versions share."""

    def __init__(self, directory: Path, url: str, schema: str) -> None:
        self.directory = directory
        self.url = url
        self.schema = schema
        self.gate = directory / "gate"
        self.versions: list[Version] = []

    def deploy(self, text: str) -> Version:
        return Version(self, text)

    def row(self, run: UUID) -> tuple[RunState, str | None, Any]:
        """State, reason and result of a run."""

        async def read() -> Any:
            connection = await asyncpg.connect(self.url)
            try:
                return await connection.fetchrow(
                    f'select state, reason, result from "{self.schema}".runs where id = $1', run
                )
            finally:
                await connection.close()

        found = aside(read())
        result = None if found["result"] is None else json.loads(found["result"])
        return RunState(found["state"]), found["reason"], result

    def until(self, run: UUID, *states: RunState) -> tuple[str | None, Any]:
        """Reason and result of a run, once it is in one of these states."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            state, reason, result = self.row(run)
            if state in states:
                return reason, result
            words = [version.log.read_text() for version in self.versions]
            assert not state.final, (state, result, words)
            assert state is not RunState.QUARANTINED, (reason, words)
            assert time.monotonic() < deadline, (state, reason, words)
            time.sleep(0.02)

    def begun(self, text: str = V1, workflow: str = "Order", *args: Any) -> UUID:
        """A run in flight: its process of version 1 has gone, and its first step is done."""
        version = self.deploy(text)
        run = version.submit(workflow, str(self.gate), *(args or (7,)))
        entries = f'select count(*) from "{self.schema}".journal where run_id = $1'

        async def recorded() -> int:
            connection = await asyncpg.connect(self.url)
            try:
                count: int = await connection.fetchval(entries, run)
                return count
            finally:
                await connection.close()

        deadline = time.monotonic() + PATIENCE_SECONDS
        while not aside(recorded()):
            assert time.monotonic() < deadline
        version.stop()
        return run

    def done(self, run: UUID) -> Any:
        """The result of a run whose gate is opened now."""
        self.gate.touch()
        return self.until(run, RunState.SUCCEEDED)[1]


@pytest.fixture
def shop(tmp_path: Path, database_url: str, schema: str) -> Iterator[Shop]:
    shop = Shop(tmp_path, database_url, schema)
    yield shop
    for version in shop.versions:
        version.close()


def test_a_changed_body_leaves_runs_in_flight_as_they_are(shop: Shop) -> None:
    """They finish on the graph they began on, in processes of the new version and of the
    old; new runs take the new body."""
    run = shop.begun()
    new = shop.deploy(V1.replace("amount + 1", "amount + 100"))
    fresh = new.submit("Order", str(shop.gate), 7)
    assert shop.done(run) == [7, 8]
    assert shop.done(fresh) == [7, 107]


def test_the_old_version_takes_up_what_the_new_one_began(shop: Shop) -> None:
    """A rollback: the old code has never seen the new graph, and runs it."""
    run = shop.begun(V1.replace("amount + 1", "amount + 100"))
    shop.deploy(V1)
    assert shop.done(run) == [7, 107]


RENAMED = """
@action(aliases=("shop:charge",))
async def bill(amount: int) -> int:
    return amount
""" + ORDER.replace("charge(", "bill(")


def test_a_renamed_action_is_found_by_its_alias(shop: Shop) -> None:
    """Runs that call it by its old name go on."""
    run = shop.begun()
    shop.deploy(HEAD + RENAMED)
    assert shop.done(run) == [7, 8]


def test_without_an_alias_runs_are_blocked_until_the_action_is_back(shop: Shop) -> None:
    """By name; new runs go on meanwhile, side by side with the blocked one."""
    run = shop.begun()
    new = shop.deploy(HEAD + RENAMED.replace('(aliases=("shop:charge",))', ""))
    reason, _ = shop.until(run, RunState.BLOCKED)
    assert reason is not None
    assert "calls `shop:charge`, which no imported module registers" in reason
    assert "its old name in aliases=" in reason
    fresh = new.submit("Order", str(shop.gate), 1)
    assert shop.done(fresh) == [1, 2]
    assert shop.row(run)[0] is RunState.BLOCKED
    shop.deploy(V1)
    assert shop.done(run) == [7, 8]
    assert shop.row(run)[1] is None


def test_an_action_that_no_longer_takes_what_was_recorded_blocks_the_run(shop: Shop) -> None:
    """A deploy is nobody's failure: the run waits for a signature that fits."""
    run = shop.begun()
    demanding = V1.replace("charge(amount: int)", "charge(amount: int, currency: str)")
    new = shop.deploy(
        demanding.replace("(amount)", "(amount, 'EUR')").replace("+ 1)", "+ 1, 'EUR')")
    )
    fresh = new.submit("Order", str(shop.gate), 1)
    shop.gate.touch()
    reason, _ = shop.until(run, RunState.BLOCKED)
    assert reason is not None
    assert "currency" in reason
    assert "shop:charge" in reason
    assert shop.done(fresh) == [1, 2]
    shop.deploy(V1.replace("charge(amount: int)", "charge(amount: int, currency: str = 'EUR')"))
    assert shop.done(run) == [7, 8]


def test_a_new_parameter_with_a_default_is_no_difference(shop: Shop) -> None:
    """What was recorded still binds."""
    run = shop.begun()
    shop.deploy(V1.replace("charge(amount: int)", "charge(amount: int, currency: str = 'EUR')"))
    assert shop.done(run) == [7, 8]


def test_a_run_whose_arguments_no_longer_fit_is_blocked(shop: Shop) -> None:
    """Another parameter of `run` without a default: nobody can say what it was."""
    run = shop.begun()
    shop.deploy(V1.replace("amount: int) -> list", "amount: int, note: str) -> list"))
    reason, _ = shop.until(run, RunState.BLOCKED)
    assert reason is not None
    assert "do not fit" in reason
    assert "note" in reason
    shop.deploy(V1)
    assert shop.done(run) == [7, 8]


def test_a_workflow_that_is_gone_blocks_its_runs(shop: Shop) -> None:
    """Until the class is back."""
    run = shop.begun()
    shop.deploy(HEAD + CHARGE)
    reason, _ = shop.until(run, RunState.BLOCKED)
    assert reason is not None
    assert "workflow shop:Order is registered by no imported module" in reason
    shop.deploy(V1)
    assert shop.done(run) == [7, 8]


BOXES = """
@dataclass
class Box:
    size: int


@action
async def pack(size: int) -> object:
    return Box(size) if size > 5 else size


@workflow
class Packing(Workflow):
    async def run(self, path: str, size: int) -> object:
        packed = await pack(size)
        await wait_for(path)
        return packed
"""


def test_a_class_that_is_gone_blocks_only_the_runs_that_used_it(shop: Shop) -> None:
    """Others of the same graph go on in the same process."""
    first = shop.deploy(HEAD + BOXES)
    boxed = first.submit("Packing", str(shop.gate), 9)
    plain = first.submit("Packing", str(shop.gate), 1)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while aside(_journaled(shop)) < 2:
        assert time.monotonic() < deadline
    first.stop()
    gone = BOXES.replace("@dataclass\nclass Box:\n    size: int\n", "").replace(
        "Box(size) if size > 5 else size", "size"
    )
    shop.deploy(HEAD + gone)
    reason, _ = shop.until(boxed, RunState.BLOCKED)
    assert reason is not None
    assert "Box" in reason
    assert shop.done(plain) == 1
    shop.deploy(HEAD + BOXES)
    shop.until(boxed, RunState.SUCCEEDED)


async def _journaled(shop: Shop) -> int:
    connection = await asyncpg.connect(shop.url)
    try:
        count: int = await connection.fetchval(f'select count(*) from "{shop.schema}".journal')
        return count
    finally:
        await connection.close()
