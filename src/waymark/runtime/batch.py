"""Batches of changes: how they become rows, and what became of them.

A batch is a list of changes in the order in which they were made. It is one flush,
so the store keeps all of it or none, save for single runs that it refuses. Hence
after a lost connection the fate of each change can be read off its run's row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias
from uuid import UUID

from ..store.records import Flush, JournalFields, NewRun, Park, Release, RunEnd, RunState
from .live_run import Change, LiveRun

#: What `Store.arrived` tells of a run: highest seq, state, epoch, owner.
Arrival: TypeAlias = tuple[int, int, int, UUID | None]


def take_batch(queue: list[Change], rows_max: int, bytes_max: int) -> list[Change]:
    """Changes off the front of `queue`, whole ones only, up to the bounds (but at
    least one)."""
    if len(queue) <= rows_max:  # Mostly all of it; by position, as below.
        entries = sum([len(change[2]) for change in queue])
        if entries <= rows_max and sum([change[6] for change in queue]) <= bytes_max:
            batch = queue.copy()
            queue.clear()
            return batch
    taken = entries = size = 0
    for change in queue:
        entries += len(change[2])  # by position: this runs for every change
        size += change[6]
        if taken and (taken >= rows_max or entries > rows_max or size > bytes_max):
            break
        taken += 1
    batch = queue[:taken]
    del queue[:taken]
    return batch


def take_parks(parks: list[Change], rows_max: int) -> list[Change]:
    """Changes off the front of `parks`, as many as are looked at together."""
    taken = rows = 0
    for change in parks:
        assert type(change.release) is Park
        rows += 1 + len(change.release.children)
        if taken and rows > rows_max:
            break
        taken += 1
    batch = parks[:taken]
    del parks[:taken]
    return batch


def to_flush(worker: UUID, batch: list[Change]) -> Flush:
    """The rows of a batch. A submission that this process executes is owned by
    `worker`, whoever that was when the change was made."""
    new_runs: list[NewRun] = []
    rows: list[JournalFields] = []
    ends: list[RunEnd] = []
    releases: list[Release] = []
    wakes: list[UUID] = []
    for run, new, entries, end, release, _commands, _size in batch:
        if new is not None:
            owner = new.owner
            # Mostly the very object, and to compare two takes a call in Python.
            if owner is not None and owner is not worker and owner != worker:
                new = new._replace(owner=worker)  # noqa: PLW2901  # the loop's own copy
            new_runs.append(new)
        run_id, epoch = run.id, run.epoch
        for seq, kind, effect, node, digest, at_ns, payload in entries:
            rows.append((run_id, seq, epoch, kind, effect, node, digest, at_ns, payload))
        if end is not None:
            ends.append(end)
            if run.parent is not None:
                wakes.append(run.parent)
        if type(release) is Release:
            releases.append(release)
    return Flush(worker, new_runs, rows, ends, releases, wakes)


def by_run(batch: list[Change]) -> list[list[Change]]:
    """The batch, one list for each run in memory, order kept within it. After a run was
    given back and claimed again there may be two of one id, of different epochs."""
    groups: dict[LiveRun, list[Change]] = {}
    for change in batch:
        groups.setdefault(change.run, []).append(change)
    return list(groups.values())


@dataclass(slots=True)
class Fate:
    """What a lost connection did to a batch.

    kept      in the store
    missing   never arrived: send again
    refused   the run is another's now, or gone
    behind    the store has less of the run than it had acknowledged
    """

    kept: list[Change] = field(default_factory=list[Change])
    missing: list[Change] = field(default_factory=list[Change])
    refused: list[LiveRun] = field(default_factory=list[LiveRun])
    behind: list[LiveRun] = field(default_factory=list[LiveRun])


def judge(worker: UUID, batch: list[Change], arrivals: dict[UUID, Arrival]) -> Fate:
    """Sort a batch by what the store has of each of its runs."""
    fate = Fate()
    for changes in by_run(batch):
        run = changes[0].run
        arrival = arrivals.get(run.id)
        if arrival is None:
            if run.stored:
                fate.refused.append(run)
            else:
                fate.missing.extend(changes)
        elif _closed_by(changes[-1], worker, arrival):
            fate.kept.extend(changes)
        elif run.session is not None and (arrival[2] != run.epoch or arrival[3] != worker):
            fate.refused.append(run)
        elif arrival[0] < run.acked:
            fate.behind.append(run)
        else:
            arrived = True
            for change in changes:
                # Nothing is kept that comes after something missing.
                arrived = arrived and change.end is None and change.release is None
                if arrived and change.entries:
                    arrived = change.entries[-1].seq <= arrival[0]
                (fate.kept if arrived else fate.missing).append(change)
    return fate


def _closed_by(last: Change, worker: UUID, arrival: Arrival) -> bool:
    """Whether the end or release that the last change carries has arrived."""
    _, state, epoch, owner = arrival
    if last.end is not None:
        over = RunState(state).final or state == last.end.state
        return over and epoch == last.end.epoch
    if last.release is not None:
        return owner != worker or epoch > last.release.epoch
    return False
