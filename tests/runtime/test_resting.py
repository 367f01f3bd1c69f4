"""Which runs a process leaves alone for a while, and when their graph with them."""

from __future__ import annotations

from uuid import uuid4

from waymark.runtime.resting import REST_SECONDS_MAX, RUNS_MAX, Resting


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_run_rests_longer_each_time_and_its_graph_never() -> None:
    """A single run that cannot be read holds up no other."""
    time, run, seconds = Time(), uuid4(), 0.5
    resting = Resting(time, seconds)
    for _ in range(10):
        resting.rest(run, b"graph")
        assert resting.now() == (set(), [run])
        time.now += seconds
        assert resting.now() == (set(), [])
        seconds = min(2 * seconds, REST_SECONDS_MAX)
    resting.recovered(run)
    resting.rest(run, b"graph")
    time.now += 0.5
    assert resting.now() == (set(), [])


def test_very_many_rest_with_their_graph() -> None:
    """What is handed to each claim stays small; other graphs are not concerned."""
    time, other = Time(), uuid4()
    resting = Resting(time, 1.0)
    for _ in range(RUNS_MAX):
        resting.rest(uuid4(), b"graph")
    resting.rest(other, b"other")
    assert resting.now() == ({b"graph"}, [other])


def test_what_others_took_is_forgotten() -> None:
    """Runs that never come back here take no memory."""
    time = Time()
    resting = Resting(time, 1.0)
    resting.rest(uuid4(), b"graph")
    time.now += REST_SECONDS_MAX + 2
    assert resting.now() == (set(), [])
    assert resting._rests == {}
