"""Machines whose clocks are wrong: only the database's counts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chaos.kill import drain, report, take_census
from tests.chaos.site import Site, chaos_site
from tests.chaos.test_kill import query, under_load

pytestmark = pytest.mark.chaos


@pytest.fixture
def site(database_url: str, schema: str) -> Iterator[Site]:
    with chaos_site(database_url, schema) as site:
        yield site


#: Where `tests.chaos.jumped` reads how wrong its clock is.
CLOCK_VARIABLE = "CHAOS_CLOCK"

#: Entries whose time lies outside of their run's life, as the database saw it.
OUT_OF_TIME = """
select count(*) from {schema}.journal join {schema}.runs on run_id = id
where to_timestamp(at_ns / 1e9) not between
    submitted_at - interval '5 s' and finished_at + interval '5 s'
"""


@pytest.mark.parametrize("clock", ["3600 0 -3600", "-86400"])
def test_a_clock_that_is_wrong_changes_nothing(site: Site, clock: str) -> None:
    """A process whose clock is hours off and jumps works beside one whose clock is right:
    nobody is declared dead, sleeps last as long as they should, all is recorded in the
    database's time."""
    site.environment[CLOCK_VARIABLE] = clock
    wrong = site.spawn(1, module="tests.chaos.jumped", busy=6)
    right = site.spawn(2, busy=6)
    assert wrong.wait_ready()
    assert right.wait_ready()
    names = {row["id"] for row in query(site, "select id from {schema}.workers")}
    for _ in range(6):
        under_load(site)
    assert names == {row["id"] for row in query(site, "select id from {schema}.workers")}
    for child in (wrong, right):
        child.stop()
    drain(site)
    census = take_census(site)
    assert census.clean, report(census, 0, 0)
    assert query(site, OUT_OF_TIME)[0]["count"] == 0
