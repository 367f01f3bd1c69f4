"""A batch that takes one run one step further, as a statement of its own.

Where little happens at a time nearly every flush is one of three: a run is submitted, the
outcome of an action is recorded, or the last outcome comes with the run's end. `flush` could
write them, but to start its twelve parts and read its 35 arrays costs 0.1 ms more than a
statement with one row's plain values, which is what somebody who waits for the run would feel
(docs/decisions/0024-single-flushes.md). The rules are those of `flush`: the same fence, the
same look at owner and epoch, the same answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from waymark.errors import WaymarkBug
from waymark.store.records import Flush, RunState

_FINAL = int(RunState.SUCCEEDED)


class Single(NamedTuple):
    """`statement` with `$4` and what follows. `written` is how many journal entries
    it has if the run is ours."""

    statement: str
    arguments: Sequence[Any]
    run: UUID
    written: int

    def refused(self, written: int, ours: Sequence[bool] | None) -> frozenset[UUID]:
        """See `Columns.refused`."""
        expected = self.written if ours is None else 0
        if written != expected:
            raise WaymarkBug(f"{self.statement} wrote {written} entries instead of {expected}")
        return frozenset() if ours is None else frozenset((self.run,))


def to_single(batch: Flush) -> Single | None:
    """The batch as a single step of one run, None when it is more than that."""
    _, runs, entries, ends, releases, _ = batch
    if releases or len(runs) + len(entries) != 1 or len(ends) > 1:
        return None
    if runs:
        return None if ends else Single("flush_run", runs[0], runs[0].id, 0)
    entry = entries[0]
    if not ends:
        return Single("flush_entry", entry, entry[0], 1)
    run, epoch, state, digest, result = ends[0]
    # What is not final has a reason instead of a result.
    if state < _FINAL or run != entry[0] or epoch != entry[2]:
        return None
    return Single("flush_end", (*entry, state, digest, result), run, 1)
