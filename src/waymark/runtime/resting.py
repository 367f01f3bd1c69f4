"""Runs that were claimed here and could not be read: others may claim them meanwhile.

What a run recorded may need a class that only other code knows, so its run is given back,
`blocked`, and left alone here for a while, longer each time. The others of its graph go on.
Only where very many of one graph cannot be read does the graph rest with them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple
from uuid import UUID

#: After many failures in a row a run rests so long.
REST_SECONDS_MAX = 60.0

#: So many resting runs of one graph are passed over one by one.
RUNS_MAX = 1_000


class _Rest(NamedTuple):
    graph: bytes
    until: float
    seconds: float


class Resting:
    """Those of one process. `first_seconds` is the first rest of a run."""

    def __init__(self, now: Callable[[], float], first_seconds: float) -> None:
        self._now = now
        self._first_seconds = first_seconds
        self._rests: dict[UUID, _Rest] = {}

    def rest(self, run_id: UUID, graph: bytes) -> None:
        """Leave a run alone for a while."""
        known = self._rests.get(run_id)
        seconds = self._first_seconds if known is None else known.seconds * 2
        seconds = min(seconds, REST_SECONDS_MAX)
        self._rests[run_id] = _Rest(graph, self._now() + seconds, seconds)

    def recovered(self, run_id: UUID) -> None:
        """A run could be read after all."""
        self._rests.pop(run_id, None)

    def now(self) -> tuple[set[bytes], list[UUID]]:
        """The graphs that rest as a whole, and the runs of the others that do."""
        if not self._rests:
            return set(), []
        now = self._now()
        for run_id, rest in list(self._rests.items()):
            if rest.until + REST_SECONDS_MAX < now:
                del self._rests[run_id]  # Somebody else has it, or it has ended.
        resting = {run_id: rest for run_id, rest in self._rests.items() if rest.until > now}
        many = Counter(rest.graph for rest in resting.values())
        graphs = {graph for graph, count in many.items() if count >= RUNS_MAX}
        return graphs, [run_id for run_id, rest in resting.items() if rest.graph not in graphs]
