"""Memory and Postgres take the same random history and stay the same.

A history mixes what several workers do, sane or not: flushes of any shape, claims,
deaths, releases, entries of old epochs, repeated submissions. A seed makes each.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from tests.store.rows import GRAPH, LEASE_SECONDS, OTHER_GRAPH, batch, entry
from waymark.errors import Fenced, RefusedData
from waymark.store.memory import MemoryStore
from waymark.store.postgres import PostgresStore
from waymark.store.protocol import Store
from waymark.store.records import (
    ClaimedRun,
    EntryKind,
    Flush,
    Message,
    NewRun,
    Park,
    Release,
    RunEnd,
    RunState,
)

pytestmark = pytest.mark.anyio

STEPS = 120
GRAPHS = (GRAPH, OTHER_GRAPH)
QUEUES = ("default", "gpu")
ENDS = (RunState.SUCCEEDED, RunState.FAILED, RunState.QUARANTINED, RunState.BLOCKED)


@dataclass
class History:
    """What may be named in the next step. Ids are drawn, never taken from answers,
    so that a step may well be nonsense."""

    dice: random.Random
    workers: list[UUID] = field(default_factory=list)
    runs: list[UUID] = field(default_factory=list)

    def new_id(self) -> UUID:
        return UUID(int=self.dice.getrandbits(128))

    def some_run(self) -> UUID:
        return self.dice.choice(self.runs[-12:]) if self.runs else self.new_id()

    def new_run(self, worker: UUID | None) -> NewRun:
        run = self.new_id() if self.dice.random() < 0.98 else self.some_run()
        self.runs.append(run)
        state = RunState.READY if worker is None else RunState.RUNNING
        return NewRun(
            run,
            self.dice.choice(("app:One", "app:Two")),
            self.dice.choice(GRAPHS),
            self.dice.choice(QUEUES),
            worker,
            0 if worker is None else 1,
            state,
            0 if worker is None else self.dice.getrandbits(60),
            self.dice.randbytes(self.dice.randrange(40)),
            self.some_run() if self.dice.random() < 0.4 else None,
            self.dice.choice((0, 0, 0, 5, -3)),
        )

    def flush(self) -> Flush:
        worker = self.dice.choice(self.workers)
        owners = [worker, worker, worker, None]
        runs = [self.new_run(self.dice.choice(owners)) for _ in range(self.dice.randrange(3))]
        # All that a batch says of a run is of one epoch.
        epochs = {run: self.dice.choice((0, 1, 1, 1, 1, 2, 2, 3)) for run in self.runs}
        epochs.update((run.id, 1) for run in runs if self.dice.random() < 0.9)
        entries = [
            entry(
                run := self.some_run(),
                self.dice.randint(1, 30),
                epoch=epochs.get(run, 1),
                payload=self.dice.randbytes(self.dice.randrange(20)),
            )
            for _ in range(self.dice.randrange(4))
        ]
        settled = list(dict.fromkeys(self.some_run() for _ in range(self.dice.randrange(3))))
        ends, releases = list[RunEnd](), list[Release]()
        for run in settled:
            epoch = epochs.get(run, 1)
            if self.dice.random() < 0.6:
                ends.append(RunEnd(run, epoch, self.dice.choice(ENDS), 5, b"\xc3\xa4 or \xff"))
            else:
                state = self.dice.choice((RunState.READY, RunState.BLOCKED))
                releases.append(Release(run, epoch, state, self.dice.choice(("", "why"))))
        wakes = [self.some_run() for _ in range(self.dice.randrange(3))] if ends else []
        written = batch(worker, runs=runs, entries=entries, ends=ends, releases=releases)
        return written._replace(wakes=wakes)

    def parks(self) -> list[Park]:
        """Some runs that may be waiting, due long ago, in a long time, or never."""
        runs = dict.fromkeys(self.some_run() for _ in range(self.dice.randint(1, 5)))
        return [
            Park(
                run,
                self.dice.choice((1, 1, 1, 2, 2, 3)),
                self.dice.choice((None, 10**18, 4 * 10**18)),
                tuple(self.some_run() for _ in range(self.dice.choice((0, 0, 0, 1, 2)))),
            )
            for run in runs
        ]

    def messages(self) -> list[Message]:
        return [
            Message(self.some_run(), self.dice.choice("ab"), EntryKind.CANCEL, "", b"")
            for _ in range(self.dice.randint(1, 2))
        ]

    def step(self) -> Callable[[Store], Awaitable[object]]:
        """The next thing to do, the same for every store."""
        dice = self.dice
        if len(self.workers) < 2 or dice.random() < 0.05:
            worker = self.new_id()
            self.workers = [*self.workers[-3:], worker]
            return lambda store: store.register_worker(worker, LEASE_SECONDS, "{}")
        worker = dice.choice(self.workers)
        kind = dice.choices(
            ("flush", "claim", "submit", "die", "block", "beat", "park", "send", "forget"),
            (60, 15, 10, 4, 3, 2, 25, 4, 4),
        )[0]
        match kind:
            case "flush":
                flush, lane = self.flush(), dice.randrange(2)
                return lambda store: store.flush(lane, flush)
            case "claim":
                graphs = dice.sample(GRAPHS, dice.randint(1, 2))
                queues = dice.sample(QUEUES, dice.randint(1, 2))
                return lambda store: store.claim(worker, graphs, queues, 1000, 7, ahead_seconds=2.0)
            case "park":
                parks = self.parks()
                return lambda store: store.park(0, worker, parks)
            case "send" | "forget":
                messages = self.messages()
                if kind == "send":
                    return lambda store: store.send(messages)
                return lambda store: store.forget_messages(messages)
            case "submit":
                run = self.new_run(None)
                return lambda store: store.submit(run)
            case "die":
                return lambda store: store.reap_workers([worker])
            case "block":
                graph, reason = dice.choice(GRAPHS), dice.choice(("no a", "no b"))
                return lambda store: store.set_blocked(graph, reason)
            case _:
                return lambda store: store.beat(worker, LEASE_SECONDS)


async def outcome(step: Callable[[Store], Awaitable[object]], store: Store) -> object:
    try:
        answer = await step(store)
    except (Fenced, RefusedData) as error:
        return type(error)
    if isinstance(answer, int):
        return None  # A clock.
    if isinstance(answer, list) and answer and isinstance(answer[0], ClaimedRun):
        # Runs of one flush have one time, so their order is a matter of their ids.
        return sorted(answer)
    return answer


async def picture(store: Store, runs: list[UUID]) -> object:
    rows = await store.read_runs(runs)
    sight = await store.look(UUID(int=0), QUEUES)
    return (
        {run: (*row[:7], row.finished_at is None) for run, row in rows.items()},
        await store.read_journal(runs),
        await store.arrived(runs),
        (sorted(sight.graphs), {seen.id for seen in sight.workers}, sight.mail),
    )


@pytest.mark.parametrize("seed", range(8))
async def test_the_stores_are_twins(postgres: PostgresStore, seed: int) -> None:
    """Every step has the same outcome on both, and leaves both in the same state."""
    memory = MemoryStore()
    await memory.open()
    history = History(random.Random(seed))
    for number in range(STEPS):
        step = history.step()
        expected = await outcome(step, memory)
        assert await outcome(step, postgres) == expected, f"step {number} of seed {seed}"
    assert await picture(postgres, history.runs) == await picture(memory, history.runs)
