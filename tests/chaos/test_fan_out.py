"""One run's work spread over four processes that are killed: every outcome exact, recorded
once, and no more attempts than the kills explain."""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.chaos.census import read_effects
from tests.chaos.kill import drain, report, take_census
from tests.chaos.shapes import WIDE
from tests.chaos.site import Child, Site, chaos_site, until
from tests.database import aside

pytestmark = pytest.mark.chaos

PROCESSES = 4
SLOTS = 25
#: Attempts that one kill may cost: what the dead one ran, and what it had not written yet.
LOST_PER_KILL = 4 * SLOTS


@pytest.fixture
def plain(database_url: str, schema: str) -> Iterator[Site]:
    with chaos_site(database_url, schema) as site:
        yield site


def spawn(site: Site, chance: random.Random, **options: Any) -> Child:
    return site.spawn(chance.randrange(1 << 30), lease=2.0, concurrency=SLOTS, **options)


def attempts(site: Site) -> int:
    return site.effects.read_bytes().count(b"\n")


def pids(effects: Path) -> Counter[int]:
    """How many attempts each process has begun."""
    return Counter(int(line.split()[2]) for line in effects.read_text().splitlines())


def rows_left(site: Site) -> int:
    async def ask(url: str) -> int:
        connection = await asyncpg.connect(url)
        try:
            return int(await connection.fetchval(f'select count(*) from "{site.schema}".tasks'))
        finally:
            await connection.close()

    assert site.url is not None
    return aside(ask(site.url))


def test_a_wide_fan_out_survives_kills(plain: Site) -> None:
    """2,000 attempts, four processes, the owner of the run killed first and then others,
    each as soon as some hundred attempts more have begun, and started again."""
    chance = random.Random(7)
    helpers = [spawn(plain, chance) for _ in range(PROCESSES - 1)]
    for child in helpers:
        assert child.wait_ready()
    owner = spawn(plain, chance, busy=1, shape="wide")
    children = [*helpers, owner]
    assert owner.wait_ready()
    until(lambda: plain.submitted() == 1, "the submission", children)
    victims = (3, 0, 3, 1)
    for number, victim in enumerate(victims, 1):
        until(lambda: attempts(plain) >= number * WIDE // 8, "attempts", children)  # noqa: B023
        children[victim].kill()
        children[victim] = spawn(plain, chance)
    kills = len(victims)
    assert attempts(plain) < WIDE, "it was over before the last kill"
    for child in children:
        assert child.wait_ready()
        child.stop()
    drain(plain)
    census = take_census(plain)
    assert census.clean, report(census, kills, 7)
    assert census.submitted == census.runs == 1
    (seen,) = read_effects(plain.effects).values()
    assert {effect.effect for effect in seen} == set(range(WIDE))
    assert WIDE <= len(seen) <= WIDE + kills * LOST_PER_KILL, pids(plain.effects)
    assert len(pids(plain.effects)) >= PROCESSES
    assert rows_left(plain) == 0


def test_a_stopped_helper_changes_nothing(plain: Site) -> None:
    """One that stands still for longer than its lease: others make its attempts, and what
    it writes when it goes on is refused."""
    chance = random.Random(8)
    stopped, helper = (spawn(plain, chance) for _ in range(2))
    assert stopped.wait_ready()
    assert helper.wait_ready()
    owner = spawn(plain, chance, busy=1, shape="wide")
    assert owner.wait_ready()
    children = [stopped, helper, owner]
    until(lambda: pids(plain.effects)[stopped.pid] > SLOTS, "its attempts", children)
    os.kill(stopped.pid, signal.SIGSTOP)
    until(lambda: attempts(plain) >= WIDE, "the others", [helper, owner])
    os.kill(stopped.pid, signal.SIGCONT)
    for child in children:
        child.stop()
    drain(plain)
    census = take_census(plain, zombies=True)
    assert census.clean, report(census, 1, 8)
    assert rows_left(plain) == 0
