"""One batch as columns, in the order of the parameters of the statement `flush`.

The host's event loop pays for every line here, so a row is touched as rarely as
can be: `zip(*rows)` turns rows into columns in C, and what needs a look at each
row (which run a journal entry belongs to, whether a run ends in the batch that
creates it) works on integers, since a `UUID` hashes and compares in Python.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID

from waymark.errors import WaymarkBug
from waymark.store.reasons import readable_reason
from waymark.store.records import Flush, RunState

_FINAL = int(RunState.SUCCEEDED)

#: The value of a run's id, and its epoch.
_Claim: TypeAlias = tuple[int, int]

_Columns: TypeAlias = Sequence[Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Columns:
    """`arguments` are `$4` to `$32` of `flush`; the rest is what it takes to read
    the answer. `named` are the runs that entries may belong to, new runs first,
    `places` the place of each entry in it, from 1. `settled` are the runs that
    end or are given back, `born_settled` those of them that the batch creates."""

    arguments: list[Sequence[Any]]
    named: list[UUID]
    places: list[int]
    settled: Sequence[UUID]
    born_settled: frozenset[UUID]

    def refused(
        self, written: int, ours: Sequence[bool] | None, settled: Collection[UUID] | None
    ) -> frozenset[UUID]:
        """The runs that the server left out, from its answer: the number of
        entries written; for each of `named` whether it was ours, None for "all";
        the runs settled, None for "all"."""
        refused = set[UUID]()
        if ours is None:
            expected = len(self.places)
        else:
            refused.update(
                run for run, is_ours in zip(self.named, ours, strict=True) if not is_ours
            )
            expected = sum(ours[place - 1] for place in self.places)
        if written != expected:
            raise WaymarkBug(f"a flush wrote {written} journal entries instead of {expected}")
        if settled is not None:
            # An update does not see the rows that are inserted beside it: a run that
            # was born in this batch is settled by its insertion.
            refused.update(set(self.settled) - set(settled) - (self.born_settled - refused))
        return frozenset(refused)


def to_columns(batch: Flush) -> Columns:
    """Lay out a batch."""
    ids, workflows, graphs, queues, owners, epochs, states, began, inputs = _columns(batch.runs, 9)
    run_ids, seqs, entry_epochs, *entry_columns = _columns(batch.entries, 9)
    settled = _settled_columns(batch)
    fresh: dict[_Claim, int] = {}
    if ids and (run_ids or settled[0]):
        fresh = {
            (run.id.int, run.epoch): place
            for place, run in enumerate(batch.runs, 1)
            if run.owner is not None
        }
    owned = [owner is not None for owner in owners]
    states, *outcome, kept = _fold(fresh, states, owned, settled)
    places, others, other_epochs = _place(run_ids, entry_epochs, fresh, len(ids))
    born_settled = frozenset[UUID]()
    if kept is not owned:
        born = zip(ids, owned, kept, strict=True)
        born_settled = frozenset(run for run, owns, keeps in born if owns and not keeps)
    return Columns(
        [
            *(ids, workflows, graphs, queues, owned, epochs, states, began, inputs, *outcome, kept),
            *(others, other_epochs),
            *(places, seqs, *entry_columns),
            *settled,
        ],
        [*ids, *others],
        places,
        settled[0],
        born_settled,
    )


def _columns(rows: Sequence[Sequence[Any]], width: int) -> _Columns:
    return list(zip(*rows, strict=True)) if rows else [()] * width


def _settled_columns(batch: Flush) -> _Columns:
    """Ids, epochs, states, digests, results and reasons of ends and releases."""
    ids, epochs, states, digests, results = _columns(batch.ends, 5)
    reason: str | None
    if not batch.releases and (not states or min(states) >= _FINAL):
        return ids, epochs, states, digests, results, [None] * len(ids)
    rows: list[tuple[Any, ...]] = []
    for end in batch.ends:
        if end.state >= _FINAL:
            rows.append((end.id, end.epoch, end.state, end.digest, end.result, None))
        else:
            reason = readable_reason(end.result)
            rows.append((end.id, end.epoch, end.state, end.digest, None, reason))
    for release in batch.releases:
        reason = readable_reason(release.reason) or None
        rows.append((release.id, release.epoch, release.state, None, None, reason))
    return _columns(rows, 6)


def _fold(
    fresh: dict[_Claim, int], states: Sequence[int], owned: Sequence[bool], settled: _Columns
) -> _Columns:
    """Let runs that are settled in the batch that creates them be born settled.
    Returns the states of the new runs, their digests, results and reasons, and
    whether they keep their owner."""
    ended: dict[int, tuple[Any, ...]] = {}
    if fresh:
        for run, epoch, *outcome in zip(*settled, strict=True):
            place = fresh.get((run.int, epoch))
            if place is not None:
                ended[place - 1] = (*outcome, False)
    if not ended:
        nothing = [None] * len(states)
        return states, nothing, nothing, nothing, owned
    rows = [
        ended.get(at, (state, None, None, None, owns))
        for at, (state, owns) in enumerate(zip(states, owned, strict=True))
    ]
    return _columns(rows, 5)


def _place(
    runs: Sequence[UUID], epochs: Sequence[int], fresh: dict[_Claim, int], offset: int
) -> tuple[list[int], list[UUID], list[int]]:
    """The place of each entry's run, and the runs (with their epochs) that stand
    behind the `offset` new ones because entries name them."""
    known = dict(fresh)
    places: list[int] = []
    others: list[UUID] = []
    other_epochs: list[int] = []
    last_run, last_epoch, place = None, -1, 0
    for run, epoch in zip(runs, epochs, strict=True):
        # A fan-out writes many entries of one run in a row.
        if run is not last_run or epoch != last_epoch:
            last_run, last_epoch = run, epoch
            claim = (run.int, epoch)
            found = known.get(claim)
            if found is None:
                others.append(run)
                other_epochs.append(epoch)
                found = known[claim] = offset + len(others)
            place = found
        places.append(place)
    return places, others, other_epochs
