"""Runs whose owners die again and again, on every store: counted, kept apart, told."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import pytest

from tests.store.rows import GRAPH, batch, entry, free_run, live_worker, owned_run, release
from waymark.store.protocol import Store
from waymark.store.records import ClaimedRun, EntryKind, JournalRow, RunEnd, RunState
from waymark.store.suspects import CRASHES_MAX, IDLE, Held, room_for

pytestmark = pytest.mark.anyio


class Fleet:
    """Workers that come and die one after the other."""

    def __init__(self, store: Store, worker: UUID) -> None:
        self.store = store
        self.worker = worker

    async def crash(self, limit: int = 100, held: Held | None = None) -> dict[UUID, ClaimedRun]:
        """The worker dies, and another claims what it may."""
        await self.store.remove_worker(self.worker)
        self.worker = await live_worker(self.store)
        return await self.claim(limit, held)

    async def claim(self, limit: int = 100, held: Held | None = None) -> dict[UUID, ClaimedRun]:
        claimed = await self.store.claim(
            self.worker, [GRAPH], ["default"], limit, 7, held or Held(0, 0)
        )
        return {run.id: run for run in claimed}

    async def write(self, *entries: JournalRow) -> None:
        assert await self.store.flush(0, batch(self.worker, entries=entries)) == frozenset()


@pytest.fixture
async def fleet(store: Store) -> Fleet:
    return Fleet(store, await live_worker(store))


async def own(fleet: Fleet, count: int = 1) -> list[UUID]:
    runs = [owned_run(fleet.worker) for _ in range(count)]
    await fleet.store.flush(0, batch(fleet.worker, runs=runs))
    return [run.id for run in runs]


def claim_entry(run: UUID, seq: int, epoch: int, payload: bytes = b'["app:act"]') -> JournalRow:
    row = entry(run, seq, epoch=epoch, payload=payload, effect=-1)
    return row._replace(kind=EntryKind.CLAIM)


async def test_each_crash_without_an_entry_counts(fleet: Fleet) -> None:
    """The entries of claims are none, and neither is what was there before."""
    (run,) = await own(fleet)
    await fleet.write(entry(run, 1))
    for crashes in range(1, 6):
        assert (await fleet.crash())[run].crashes == crashes
        await fleet.write(claim_entry(run, crashes + 1, crashes + 1))


async def test_any_other_entry_begins_the_count_anew(fleet: Fleet) -> None:
    """Also a claim's that found nothing under way: a run that waits kills nobody."""
    (run,) = await own(fleet)
    assert (await fleet.crash())[run].crashes == 1
    assert (await fleet.crash())[run].crashes == 2
    await fleet.write(claim_entry(run, 1, 3), entry(run, 2, epoch=3))
    assert (await fleet.crash())[run].crashes == 1
    assert (await fleet.crash())[run].crashes == 2
    await fleet.write(claim_entry(run, 3, 5, IDLE))
    assert (await fleet.crash())[run].crashes == 1


async def test_who_gives_a_run_back_has_not_crashed(fleet: Fleet) -> None:
    """A stop or a deploy costs nothing, and forgets nothing."""
    (run,) = await own(fleet)
    for epoch in range(1, 4):
        await fleet.store.flush(0, batch(fleet.worker, releases=[release(run, epoch=epoch)]))
        assert (await fleet.crash())[run].crashes == 0
    assert (await fleet.crash())[run].crashes == 1
    assert (await fleet.crash())[run].crashes == 2
    await fleet.store.flush(0, batch(fleet.worker, releases=[release(run, epoch=6)]))
    assert (await fleet.claim())[run].crashes == 2
    await fleet.write(entry(run, 1, epoch=7))
    await fleet.store.flush(0, batch(fleet.worker, releases=[release(run, epoch=7)]))
    assert (await fleet.claim())[run].crashes == 0


async def test_suspects_are_halved_until_one_stands_alone(fleet: Fleet) -> None:
    """However many runs die together, only one can come to the last crash."""
    runs = await own(fleet, 200)
    assert len(await fleet.crash(1000)) == 200
    claimed: dict[UUID, ClaimedRun] = {}
    for crashes in range(2, CRASHES_MAX):
        claimed = await fleet.crash(1000)
        assert len(claimed) == room_for(crashes)
        assert {run.crashes for run in claimed.values()} == {crashes}
    (guilty,) = claimed
    assert (await fleet.crash(1))[guilty].crashes == CRASHES_MAX
    assert guilty in runs
    end = RunEnd(guilty, CRASHES_MAX + 1, RunState.QUARANTINED, 0, b"why")
    await fleet.store.flush(0, batch(fleet.worker, ends=[end]))
    left: set[UUID] = set()
    while found := await fleet.claim(1000):
        left |= set(found)
        await fleet.write(*(entry(run.id, 1, epoch=run.epoch) for run in found.values()))
    assert left == set(runs) - {guilty}


async def test_what_the_claimer_holds_takes_room(fleet: Fleet) -> None:
    """Suspects of its own count; others are claimed as ever."""
    first, second = await own(fleet, 2)
    for _ in range(CRASHES_MAX - 2):
        await fleet.crash()
    fresh = free_run().id
    await fleet.store.submit(free_run()._replace(id=fresh))
    await fleet.store.remove_worker(fleet.worker)
    fleet.worker = await live_worker(fleet.store)
    assert set(await fleet.claim(held=Held(1, 2))) == {fresh}
    (one,) = await fleet.claim()
    assert one in (first, second)
    assert await fleet.claim(held=Held(1, CRASHES_MAX - 1)) == {}
    late = free_run()
    await fleet.store.submit(late)
    assert set(await fleet.claim(1, Held(1, CRASHES_MAX - 1))) == {late.id}
    assert set(await fleet.claim()) == {first, second} - {one}


async def test_a_run_let_go_on_by_hand_begins_anew(fleet: Fleet, store: Store) -> None:
    """Whoever mended what killed its processes need not know of any count."""
    (run,) = await own(fleet)
    claimed: Sequence[ClaimedRun] = ()
    for _ in range(CRASHES_MAX):
        claimed = list((await fleet.crash()).values())
    assert claimed[0].crashes == CRASHES_MAX
    back = release(run, epoch=claimed[0].epoch)
    await store.flush(0, batch(fleet.worker, releases=[back]))
    assert (await fleet.claim())[run].crashes == 0
