"""A process that is stopped beyond its lease, and goes on."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.chaos.site import PATIENCE_SECONDS, Child, Site, chaos_site
from tests.chaos.test_kill import query

pytestmark = pytest.mark.chaos


@pytest.fixture
def site(database_url: str, schema: str) -> Iterator[Site]:
    with chaos_site(database_url, schema) as site:
        yield site


def says(child: Child, text: str) -> str:
    """Returns when a child prints a line that begins so."""
    while line := child.read_line(PATIENCE_SECONDS):
        if line.startswith(text):
            return line
    raise AssertionError(f"a child never said {text!r}:\n{child.words()}")


def test_what_a_stopped_process_was_doing_goes_on_elsewhere(site: Site) -> None:
    """Its run moves on and ends in another process. When it goes on, it writes nothing
    more of it, its attempt is cancelled, and its caller is told the result."""
    module = "tests.chaos.vigil"
    first = site.spawn(1, module=module, busy=1, lease=1.0)
    says(first, "begun")
    first.send(signal.SIGSTOP)
    second = site.spawn(2, module=module, lease=1.0)
    says(second, "begun")
    ended = "select state, epoch, result from {schema}.runs where state >= 10"
    while not (rows := query(site, ended)):
        assert second.process.poll() is None
    before = query(site, "select * from {schema}.journal order by seq")
    first.send(signal.SIGCONT)
    assert says(first, "cancelled")
    assert says(first, "told") == f"told {second.pid}"
    for child in (first, second):
        child.stop()
    assert [row["epoch"] for row in rows] == [2]
    assert query(site, ended) == rows
    assert query(site, "select * from {schema}.journal order by seq") == before
    assert [row["epoch"] for row in before] == [2, 2]
