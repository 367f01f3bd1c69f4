"""The short form of `nox -s chaos`: four processes, each fault several times."""

from __future__ import annotations

import pytest

from tests.chaos.fleet import ordeal
from tests.chaos.kill import report

pytestmark = pytest.mark.chaos


@pytest.mark.timeout(600)
def test_a_fleet_under_fire_keeps_its_promises() -> None:
    """SIGKILL, SIGSTOP, terminated connections and falling servers, all of them at once:
    lost 0, double outcomes 0, stuck 0."""
    census, blows = ordeal(4, 120.0, seed=11, pause_seconds=0.5)
    assert census.clean, report(census, blows["kill"], 11)
    assert len(blows) == 5
    assert min(blows.values()) >= 4
    assert census.runs >= census.submitted >= 200
