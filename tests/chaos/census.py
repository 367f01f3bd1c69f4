"""What became of everything: counted from the tables, not from what Waymark says.

The promises, and what breaks them:

lost        a submission returned, and its run is not in the database
stuck       a run is there and has not ended (blocked and quarantined ones too)
double      an action call has two recorded outcomes
missing     a run has ended without an outcome of each call that its graph makes, or
            with one of a call that was never attempted
wrong       a run did not end with the result that its body gives
attempts    failed attempts that are made again were forgotten, or counted twice
cancels     a request to cancel was not heard, or more than once
orphan      a child run that is the outcome of no effect (not judged further if it is one that
            ends only when its parent cancels it, and its parent is not there)
early       an effect of a run that was never committed, or of a call whose
            predecessor, or whose arguments, were not recorded yet

A process that was stopped and goes on (`zombies`) may begin an attempt that it had
already decided on, whatever happened meanwhile: then the order of attempts says nothing.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from tests.chaos.shapes import LARGE, ONLY_CHILDREN, SHAPES, Shape
from waymark.authoring.workflow import definition_of
from waymark.runtime.run_ids import child_id
from waymark.store.records import EntryKind, RunState

#: What ids of children say of themselves (`run_ids.child_id`).
CHILD_VERSION = 8

OUTCOMES = (int(EntryKind.RESULT), int(EntryKind.ERROR), int(EntryKind.CANCELLED))

SHAPE_BY_WORKFLOW = {
    definition_of(shape.workflow).name: (name, shape)
    for name, shape in (*SHAPES.items(), *LARGE.items(), *ONLY_CHILDREN.items())
}


@dataclass
class Census:
    """Counts of what broke a promise; `examples` say where to look."""

    runs: int = 0
    submitted: int = 0
    claims: int = 0
    attempts: int = 0
    broken: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def complain(self, kind: str, about: str) -> None:
        self.broken[kind] += 1
        if self.broken[kind] <= 5:
            self.examples.append(f"{kind}: {about}")

    @property
    def clean(self) -> bool:
        return not self.broken

    def line(self, kills: int) -> str:
        rest = sum(self.broken.values())
        counts = []
        for kind, label in (("lost", "lost"), ("double", "double outcomes"), ("stuck", "stuck")):
            rest -= self.broken[kind]
            counts.append(f"{label} {self.broken[kind]}")
        return f"chaos: kills {kills}, runs {self.runs}, {', '.join(counts)}, other {rest}"


@dataclass(frozen=True, slots=True)
class Effect:
    """One attempt as the world saw it; `place` is its place among all of them."""

    place: int
    effect: int
    value: str


def read_acked(path: Path) -> dict[UUID, tuple[str, int]]:
    """Runs whose submission returned: shape and input. A line cut short by a kill
    never returned to anybody."""
    acked: dict[UUID, tuple[str, int]] = {}
    for line in path.read_text().splitlines():
        match line.split():
            case [run_id, name, number]:
                acked[UUID(run_id)] = (name, int(number))
    return acked


def read_effects(path: Path) -> dict[UUID, list[Effect]]:
    effects: dict[UUID, list[Effect]] = defaultdict(list)
    for place, line in enumerate(path.read_text().splitlines()):
        run_id, effect, _pid, value = line.split(maxsplit=3)
        effects[UUID(run_id)].append(Effect(place, int(effect), value))
    return effects


async def unfinished(url: str, schema: str) -> int:
    """How many runs have not ended."""
    connection = await asyncpg.connect(url)
    try:
        count: int = await connection.fetchval(
            f'select count(*) from "{schema}".runs where state < {int(RunState.SUCCEEDED)}'
        )
        return count
    finally:
        await connection.close()


async def count(
    url: str, schema: str, acked: Path, effects: Path, *, zombies: bool = False
) -> Census:
    """Hold the tables against what was promised. To be called when all is quiet."""
    connection = await asyncpg.connect(url)
    try:
        runs = await connection.fetch(f'select * from "{schema}".runs')
        journal = await connection.fetch(
            f'select run_id, kind, effect, epoch, seq from "{schema}".journal order by run_id, seq'
        )
    finally:
        await connection.close()
    return judge(runs, journal, read_acked(acked), read_effects(effects), zombies=zombies)


def judge(
    runs: Sequence[Any],
    journal: Iterable[Any],
    acked: dict[UUID, tuple[str, int]],
    effects: dict[UUID, list[Effect]],
    *,
    zombies: bool,
) -> Census:
    census = Census(runs=len(runs), submitted=len(acked))
    census.attempts = sum(map(len, effects.values()))
    entries: dict[UUID, list[Any]] = defaultdict(list)
    for row in journal:
        entries[row["run_id"]].append(row)
        census.claims += row["kind"] == EntryKind.CLAIM
    there = {row["id"] for row in runs}
    for run_id, (name, number) in acked.items():
        if run_id not in there:
            census.complain("lost", f"run {run_id} of {name}({number})")
    for run_id in {*effects, *entries} - there:
        census.complain("early", f"run {run_id} acted and was never committed")
    for row in runs:
        name, shape = SHAPE_BY_WORKFLOW[row["workflow"]]
        if shape.cancels and row["parent"] is not None and row["parent"] not in there:
            continue
        args, kwargs = definition_of(shape.workflow).arguments.unpack(bytes(row["input"]))
        (number,) = [*args, *kwargs.values()]
        if run_id_said := acked.get(row["id"]):
            assert run_id_said == (name, number)
        about = f"run {row['id']} of {name}({number})"
        _judge_end(census, about, shape, number, row)
        seen = effects.get(row["id"], [])
        _judge_journal(census, about, shape.calls(number), row, entries[row["id"]])
        _judge_attempts(census, about, shape, number, entries[row["id"]])
        _judge_starts(census, about, row["id"], entries[row["id"]], seen, there)
        _judge_effects(census, about, seen, ordered=shape.ordered and not zombies)
    _judge_children(census, there, entries)
    return census


def _judge_children(census: Census, there: set[UUID], entries: dict[UUID, list[Any]]) -> None:
    """Every child is the outcome of an effect of its parent."""
    expected = {
        child_id(run_id, entry["effect"])
        for run_id, journal in entries.items()
        for entry in journal
        if entry["kind"] in OUTCOMES
    }
    for run_id in there - expected:
        if run_id.version == CHILD_VERSION:
            census.complain("orphan", f"run {run_id} is the child of no other")


def _judge_attempts(
    census: Census, about: str, shape: Shape, number: int, entries: list[Any]
) -> None:
    """No failed attempt is forgotten or counted twice, nor is a request to cancel."""
    kinds = Counter(entry["kind"] for entry in entries)
    if kinds[EntryKind.ATTEMPT] != shape.failures(number):
        census.complain("attempts", f"{about} recorded {kinds[EntryKind.ATTEMPT]} failed attempts")
    if kinds[EntryKind.CANCEL] != shape.cancels:
        census.complain("cancels", f"{about} heard {kinds[EntryKind.CANCEL]} cancellations")


def _judge_starts(
    census: Census,
    about: str,
    run_id: UUID,
    entries: list[Any],
    effects: list[Effect],
    there: set[UUID],
) -> None:
    """What has an outcome was attempted, or was a child."""
    outcomes = {entry["effect"] for entry in entries if entry["kind"] in OUTCOMES}
    never = {
        effect
        for effect in outcomes - {effect.effect for effect in effects}
        if child_id(run_id, effect) not in there
    }
    if never:
        census.complain("missing", f"{about} recorded effects {never} without an attempt")


def _judge_end(census: Census, about: str, shape: Shape, number: int, row: Any) -> None:
    state = RunState(row["state"])
    if not state.final:
        census.complain("stuck", f"{about} is {state.name}, owner {row['owner']}: {row['reason']}")
    elif state is not RunState.SUCCEEDED:
        census.complain("wrong", f"{about} is {state.name}: {bytes(row['result'])!r}")
    elif not shape.fits(number, json.loads(bytes(row["result"]))):
        census.complain("wrong", f"{about} gave {bytes(row['result'])!r}")


def _judge_journal(census: Census, about: str, calls: int, row: Any, entries: list[Any]) -> None:
    outcomes = Counter(entry["effect"] for entry in entries if entry["kind"] in OUTCOMES)
    for effect, times in outcomes.items():
        if times > 1:
            census.complain("double", f"{about}, effect {effect}: {times} outcomes")
    if row["state"] == RunState.SUCCEEDED and len(outcomes) != calls:
        census.complain("missing", f"{about} recorded {len(outcomes)} of {calls} outcomes")
    if [entry["seq"] for entry in entries] != list(range(1, len(entries) + 1)):
        census.complain("wrong", f"{about} has gaps in its journal")
    epochs = [entry["epoch"] for entry in entries]
    if epochs != sorted(epochs):
        census.complain("double", f"{about}: an older owner wrote after a newer one")


def _judge_effects(census: Census, about: str, effects: list[Effect], *, ordered: bool) -> None:
    """An attempt of a call shows that its arguments
    were committed, so no later attempt may show others; and in a shape where each call
    needs the one before, that this one's outcome was, so it is never attempted again."""
    values: dict[int, str] = {}
    latest = -1
    for effect in effects:
        if values.setdefault(effect.effect, effect.value) != effect.value:
            census.complain("early", f"{about}, effect {effect.effect}: its arguments changed")
        if ordered and effect.effect < latest:
            census.complain(
                "early", f"{about}: effect {effect.effect} came again after effect {latest}"
            )
        latest = max(latest, effect.effect)
