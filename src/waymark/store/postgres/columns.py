"""One batch as columns, in the order of the parameters of the statement `flush`.

The host's event loop pays for every line here, so the work is done in C where it
can be: `zip(*rows)` turns rows into columns; asyncpg takes 0.2 microseconds for each
element of an array but encodes one long text or value at no cost, so integers go
as the text of an array and payloads as one value with places to cut it. What needs
a look at each row works on integers, since a `UUID` hashes in Python.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, ClassVar, TypeAlias
from uuid import UUID

from waymark.errors import WaymarkBug
from waymark.store.packing import Texts, python_texts
from waymark.store.reasons import readable_reason
from waymark.store.records import Flush, NewRun, RunState

_FINAL = int(RunState.SUCCEEDED)

#: Which of `Columns.arguments` are integers: `$5`, `$13`, `$14`, `$21` to `$24`, `$28` to `$36`.
_INTEGERS = (1, 9, 10, 17, 18, 19, 20, *range(24, 33))

#: A run's id, and its epoch.
_Claim: TypeAlias = tuple[UUID, int]

#: What a batch says last of a run: claim, state, digest, result, reason.
_Settlement: TypeAlias = tuple[UUID, int, int, int, bytes | None, str | None]

_Columns: TypeAlias = Sequence[Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Columns:
    """`arguments` are `$4` to `$38` of `flush`; the rest is what it takes to read
    the answer. `named` are the runs of the batch: new ones, settled ones, then
    others that have entries. `places` tells for each entry the place of its run
    in there, from 1."""

    statement: ClassVar[str] = "flush"
    arguments: list[Any]
    named: list[UUID]
    places: list[int]

    def refused(self, written: int, ours: Sequence[bool] | None) -> frozenset[UUID]:
        """The runs that the server left out, from its answer: the number of entries
        written, and for each of `named` whether it was ours, None for "all"."""
        if ours is None:
            expected = len(self.places)
        else:
            expected = sum(ours[place - 1] for place in self.places)
        if written != expected:
            raise WaymarkBug(f"a flush wrote {written} journal entries instead of {expected}")
        if ours is None:
            return frozenset()
        return frozenset(run for run, mine in zip(self.named, ours, strict=True) if not mine)


def to_columns(batch: Flush, texts_of: Texts = python_texts) -> Columns:
    """Lay out a batch; `texts_of` makes the texts of its integers."""
    settlements = _settlements(batch)
    known: dict[_Claim, int] = {}
    if batch.runs and (batch.entries or settlements[0]):
        known = {
            (run.id, run.epoch): place
            for place, run in enumerate(batch.runs, 1)
            if run.owner is not None
        }
    born, settlements = _born_settled(known, len(batch.runs), settlements)
    new_ids, *runs = _run_arguments(batch.runs)
    ids, epochs, *settled = _settlement_arguments(settlements)
    place = len(batch.runs)
    if batch.entries:
        for run, epoch in zip(ids, epochs, strict=True):
            place += 1
            known[run, epoch] = place
    run_ids, seqs, entry_epochs, *entries = _columns(batch.entries, 9)
    places, others, other_epochs = _place(run_ids, entry_epochs, known, place)
    arguments: list[Any] = [
        *(_ids(new_ids), *runs, *born),
        *(_ids(ids), epochs, *settled),
        *(_ids(others), other_epochs),
        *(places, seqs, *entries[:-1]),
        *_pieces(entries[-1]),
        _parents(batch.runs),
    ]
    texts = texts_of([arguments[place] for place in _INTEGERS])
    for place, text in zip(_INTEGERS, texts, strict=True):
        arguments[place] = text
    return Columns(arguments, [*new_ids, *ids, *others], places)


def _place(
    runs: Sequence[UUID], epochs: Sequence[int], known: dict[_Claim, int], count: int
) -> tuple[list[int], list[UUID], list[int]]:
    """The place of each entry's run, and the runs, with their epochs, that come
    behind the `count` known ones."""
    places: list[int] = []
    others: list[UUID] = []
    other_epochs: list[int] = []
    last_run, last_epoch, place = None, -1, 0
    for run, epoch in zip(runs, epochs, strict=True):
        # A fan-out writes many entries of one run in a row.
        if run is not last_run or epoch != last_epoch:
            last_run, last_epoch = run, epoch
            claim = (run, epoch)
            place = known.get(claim, 0)
            if not place:
                others.append(run)
                other_epochs.append(epoch)
                place = known[claim] = count + len(others)
        places.append(place)
    return places, others, other_epochs


def _columns(rows: Sequence[Sequence[Any]], width: int) -> _Columns:
    return list(zip(*rows, strict=True)) if rows else [()] * width


def _ids(column: Sequence[UUID]) -> str:
    """Ids as the text of an array: PostgreSQL reads 32 digits without hyphens as well."""
    return f"{{{b''.join([run_id.bytes for run_id in column]).hex(',', 16)}}}"


def _pieces(payloads: Sequence[bytes]) -> tuple[list[int], bytes]:
    """Payloads as one value, with the start of each (from 1) and where the next
    one would start."""
    starts = list(accumulate(map(len, payloads), initial=1))
    return starts, b"".join(payloads)


def _run_arguments(runs: Sequence[NewRun]) -> list[Any]:
    ids, workflows, graphs, queues, owners, epochs, states, began, inputs, _, priorities = _columns(
        runs, 11
    )
    owned = [owner is not None for owner in owners]
    # Members of an `IntEnum` hash in Python.
    plain_states = list(map(int, states))
    rows = list(
        zip(workflows, graphs, queues, owned, epochs, plain_states, priorities, strict=True)
    )
    shapes, numbers = rows[:1], [1] * len(rows)
    if rows and rows.count(rows[0]) != len(rows):
        place = {shape: number for number, shape in enumerate(dict.fromkeys(rows), 1)}
        shapes, numbers = list(place), list(map(place.__getitem__, rows))
    return [
        ids,
        numbers,
        *_columns(shapes, 7),
        began,
        *_pieces(inputs),
    ]


def _parents(runs: Sequence[NewRun]) -> list[UUID | None]:
    """Parents of new runs; empty when none has one."""
    parents = [run.parent for run in runs]
    return parents if any(parents) else []


def _settlements(batch: Flush) -> _Columns:
    """Columns of `_Settlement`. The reasons are empty when there is none."""
    ids, epochs, states, digests, results = _columns(batch.ends, 5)
    if not batch.releases and (not states or min(states) >= _FINAL):
        return ids, epochs, states, digests, results, ()
    rows: list[_Settlement] = []
    for end in batch.ends:
        final = end.state >= _FINAL
        reason = None if final else readable_reason(end.result)
        rows.append(
            (end.id, end.epoch, end.state, end.digest, end.result if final else None, reason)
        )
    for release in batch.releases:
        reason = readable_reason(release.reason) or None
        rows.append((release.id, release.epoch, release.state, 0, None, reason))
    return _columns(rows, 6)


def _born_settled(
    fresh: dict[_Claim, int], count: int, settlements: _Columns
) -> tuple[list[list[Any]], _Columns]:
    """Settlements of new runs, as states, digests, results and reasons by the place
    of the run (empty when there are none); and the other settlements."""
    rows: dict[int, _Settlement] = {}
    if fresh:
        ids, epochs, states, digests, results, reasons = settlements
        whole = zip(
            ids, epochs, states, digests, results, reasons or [None] * len(ids), strict=True
        )
        rows = {line: row for line, row in enumerate(whole) if row[:2] in fresh}
    if not rows:
        return [[], [], [], []], settlements
    born: list[list[Any]] = [[None] * count for _ in range(4)]
    for run, epoch, *outcome in rows.values():
        for column, value in zip(born, outcome, strict=True):
            column[fresh[run, epoch] - 1] = value
    rest = [
        [value for line, value in enumerate(column) if line not in rows] for column in settlements
    ]
    return born, rest


def _settlement_arguments(settlements: _Columns) -> list[Any]:
    ids, epochs, states, digests, results, reasons = settlements
    if reasons:
        results = [result or b"" for result in results]
    return [ids, epochs, states, digests, *_pieces(results), reasons]
