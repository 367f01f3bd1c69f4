"""A process that joins while another has more than it can do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chaos.kill import drain, report, take_census
from tests.chaos.site import Site, chaos_site, until
from tests.chaos.test_fan_out import pids

pytestmark = pytest.mark.chaos

SLOTS = 4
ATTEMPTS = 400


@pytest.fixture
def site(database_url: str, schema: str) -> Iterator[Site]:
    with chaos_site(database_url, schema) as site:
        yield site


def test_who_joins_takes_a_share(site: Site) -> None:
    """Two with as many slots as the first has, which alone submits: each of them makes
    some of the attempts from then on, and the first one goes on with its own."""
    first = site.spawn(1, busy=60, concurrency=SLOTS)
    assert first.wait_ready()
    until(lambda: sum(pids(site.effects).values()) > ATTEMPTS, "load", [first])
    joined = [site.spawn(seed, concurrency=SLOTS) for seed in (2, 3)]
    for child in joined:
        assert child.wait_ready()
    before = pids(site.effects)
    children = [first, *joined]
    until(lambda: (pids(site.effects) - before).total() > 3 * ATTEMPTS, "load for three", children)
    since = pids(site.effects) - before
    for child in children:
        child.stop()
    drain(site)
    census = take_census(site)
    assert census.clean, report(census, 0, 0)
    assert min(since[child.pid] for child in children) > 0, since
