"""Attempts that any process may make: offered by owners, taken once, finished by their
taker alone, and gone when nobody needs them."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from uuid import UUID, uuid4

import pytest

from tests.store.conftest import Cluster
from tests.store.rows import batch, free_run, live_worker, owned_run, release, success
from waymark.errors import Fenced
from waymark.store.protocol import Store
from waymark.store.records import NewRun, RunEnd, RunState
from waymark.store.tasks import (
    ClaimedTask,
    FinishedTask,
    HeldTask,
    OverTask,
    ReportedTask,
    TaskOffer,
    TaskOutcome,
    TaskRow,
    Verdict,
)

pytestmark = pytest.mark.anyio

ACTIONS, QUEUES = ["app:act", "app:old"], ["default", "gpu"]


def offer(
    run: UUID,
    effect: int = 0,
    *,
    epoch: int = 1,
    attempt: int = 1,
    action: str = "app:act",
    queue: str = "default",
    arguments: bytes = b'{"x":\x00\xff}',
) -> TaskOffer:
    return TaskOffer(
        run, epoch, effect, attempt, "app:Welcome", action, queue, b'{"o":1}', arguments
    )


def claimed(task: TaskOffer, claim: int = 1) -> ClaimedTask:
    return ClaimedTask(
        task.run_id,
        task.effect,
        task.attempt,
        claim,
        task.workflow,
        task.action,
        task.options,
        task.arguments,
    )


def finished(task: ClaimedTask, verdict: Verdict = Verdict.RESULT) -> FinishedTask:
    pause = 1.5 if verdict == Verdict.AGAIN else 0.0
    return FinishedTask(task.run_id, task.effect, task.claim, verdict, pause, b"\x00done")


def name(task: ClaimedTask) -> HeldTask:
    return HeldTask(task.run_id, task.effect, task.claim)


async def started(store: Store, worker: UUID) -> NewRun:
    run = owned_run(worker)
    await store.flush(0, batch(worker, runs=[run]))
    return run


async def take(store: Store, worker: UUID, limit: int = 100) -> list[ClaimedTask]:
    tasks, _ = await store.tasks.claim(worker, ACTIONS, QUEUES, limit, 10)
    return tasks


async def die(store: Store, worker: UUID) -> None:
    await store.remove_worker(worker)


async def test_offered_taken_finished_and_forgotten(cluster: Cluster) -> None:
    """The whole way of an attempt, over two processes."""
    one, other = await cluster.open(), await cluster.open()
    mine, theirs = await live_worker(one), await live_worker(other)
    run = await started(one, mine)
    assert await one.tasks.offer(mine, [offer(run.id, 0), offer(run.id, 1)], 100) == (2, [])
    assert await one.tasks.offer(mine, [], 100) == (2, [])
    tasks, before = await other.tasks.claim(theirs, ACTIONS, QUEUES, 1, 10)
    assert (tasks, before) == ([claimed(offer(run.id, 0))], 0)
    assert await one.tasks.offer(mine, [], 100) == (1, [])
    assert await one.tasks.outcomes(mine) == []
    await other.tasks.finish(theirs, [finished(tasks[0])])
    outcome = TaskOutcome(run.id, 0, 1, Verdict.RESULT, 0.0, b"\x00done")
    assert await one.tasks.outcomes(mine) == [outcome]
    assert await other.tasks.outcomes(theirs) == []
    what = ("app:act", sha256(offer(run.id).arguments).digest())
    assert await one.tasks.read([run.id, uuid4()]) == {
        run.id: [
            TaskRow(run.id, 0, 1, theirs, 0, True, *what),
            TaskRow(run.id, 1, 1, None, 0, False, *what),
        ]
    }
    await one.tasks.forget([OverTask(run.id, 0, 1), OverTask(run.id, 7, 1)])
    assert await one.tasks.outcomes(mine) == []
    assert [row.effect for row in (await one.tasks.read([run.id]))[run.id]] == [1]


async def test_taken_by_one_only(cluster: Cluster) -> None:
    """However many claim at once, each attempt goes to one of them, oldest first."""
    stores = [await cluster.open() for _ in range(4)]
    workers = [await live_worker(store) for store in stores]
    run = await started(stores[0], workers[0])
    for effect in range(20):
        await stores[0].tasks.offer(workers[0], [offer(run.id, effect)], 100)
    shares = await asyncio.gather(
        *(take(store, worker, 5) for store, worker in zip(stores, workers, strict=True))
    )
    effects = [task.effect for share in shares for task in share]
    assert len(effects) == len(set(effects)) > 0
    rest = [task.effect for task in await take(stores[0], workers[0])]
    assert sorted([*effects, *rest]) == list(range(20))
    assert rest == sorted(rest)


async def test_only_what_is_served_is_taken(store: Store, worker: UUID) -> None:
    """By the name of the action and by its queue."""
    run = await started(store, worker)
    rows = [
        offer(run.id, 0, action="app:other"),
        offer(run.id, 1, queue="cpu"),
        offer(run.id, 2, action="app:old", queue="gpu"),
    ]
    await store.tasks.offer(worker, rows, 100)
    assert [task.effect for task in await take(store, worker)] == [2]


async def test_only_the_owner_offers(store: Store, worker: UUID) -> None:
    """At the epoch of its claim, for a run that is there; a dead one nothing."""
    run, free = await started(store, worker), free_run()
    await store.submit(free)
    other = await live_worker(store)
    assert await store.tasks.offer(other, [offer(run.id)], 100) == (0, [run.id])
    rows = [offer(run.id, epoch=2), offer(free.id, epoch=0), offer(uuid4()), offer(uuid4())]
    count, strangers = await store.tasks.offer(worker, rows, 100)
    assert (count, set(strangers)) == (0, {row.run_id for row in rows})
    await die(store, worker)
    with pytest.raises(Fenced):
        await store.tasks.offer(worker, [offer(run.id)], 100)


async def test_an_offer_that_is_there_stays(store: Store, worker: UUID) -> None:
    """Sent again it changes nothing; a later attempt takes the place of an earlier one,
    and whoever makes that writes nothing more."""
    run = await started(store, worker)
    await store.tasks.offer(worker, [offer(run.id)], 100)
    (first,) = await take(store, worker)
    await store.tasks.offer(worker, [offer(run.id)], 100)
    assert await take(store, worker) == []
    await store.tasks.offer(worker, [offer(run.id, attempt=2)], 100)
    await store.tasks.finish(worker, [finished(first)])
    assert await store.tasks.outcomes(worker) == []
    await store.tasks.offer(worker, [offer(run.id)], 100)
    await store.tasks.forget([OverTask(run.id, 0, 1)])
    (second,) = await take(store, worker)
    assert (second.attempt, second.claim) == (2, 3)
    await store.tasks.finish(worker, [finished(second, Verdict.AGAIN)])
    (outcome,) = await store.tasks.outcomes(worker)
    assert (outcome.attempt, outcome.verdict, outcome.pause_seconds) == (2, Verdict.AGAIN, 1.5)
    await store.tasks.offer(worker, [offer(run.id, attempt=3)], 100)
    assert await store.tasks.outcomes(worker) == []


async def test_what_a_dead_claimer_held_is_free(cluster: Cluster) -> None:
    """For everybody, counted; what the dead one writes about it is refused, also under a
    name that lives but does not hold it."""
    store = await cluster.open()
    owner, dead = await live_worker(store), await live_worker(store)
    run = await started(store, owner)
    await store.tasks.offer(owner, [offer(run.id)], 100)
    (task,) = await take(store, dead)
    assert await take(store, owner) == []
    assert await store.tasks.held(dead) == [name(task)]
    await die(store, dead)
    with pytest.raises(Fenced):
        await store.tasks.finish(dead, [finished(task)])
    with pytest.raises(Fenced):
        await take(store, dead)
    assert await take(store, owner) == [claimed(offer(run.id), 2)]
    ((row,),) = (await store.tasks.read([run.id])).values()
    assert (row.claimer, row.lost) == (owner, 1)
    await store.tasks.finish(owner, [finished(task)])
    await store.tasks.release(owner, [name(task)])
    assert await store.tasks.outcomes(owner) == []


async def test_what_kills_is_taken_no_more(store: Store, worker: UUID) -> None:
    """After so many deaths that the claimer names."""
    run = await started(store, worker)
    await store.tasks.offer(worker, [offer(run.id)], 100)
    for _ in range(3):
        dying = await live_worker(store)
        assert len((await store.tasks.claim(dying, ACTIONS, QUEUES, 1, 2))[0]) == 1
        await die(store, dying)
    tasks, _ = await store.tasks.claim(worker, ACTIONS, QUEUES, 1, 2)
    assert tasks == []
    ((row,),) = (await store.tasks.read([run.id])).values()
    assert row.lost == 2


async def test_suspects_are_taken_one_at_a_time(store: Store, worker: UUID) -> None:
    """Of rows that two have died of a claimer holds one, beside all the others; so who
    dies next was not killed by a bystander."""
    run = await started(store, worker)
    await store.tasks.offer(worker, [offer(run.id, effect) for effect in range(3)], 100)
    for taken in (3, 3):
        dying = await live_worker(store)
        assert len(await take(store, dying)) == taken
        await die(store, dying)
    await take(store, dead := await live_worker(store))
    await die(store, dead)
    await store.tasks.offer(worker, [offer(run.id, effect) for effect in (3, 4)], 100)
    assert [task.effect for task in await take(store, worker)] == [0, 3, 4]
    assert await take(store, worker) == []
    other = await live_worker(store)
    assert [task.effect for task in await take(store, other)] == [1]


async def test_what_is_given_back_is_free_and_no_death(store: Store, worker: UUID) -> None:
    """A claimer that leaves in good order costs nothing."""
    run = await started(store, worker)
    await store.tasks.offer(worker, [offer(run.id)], 100)
    (task,) = await take(store, worker)
    assert (await store.tasks.claim(worker, ACTIONS, QUEUES, 1, 10)) == ([], 1)
    await store.tasks.release(worker, [name(task)])
    await store.tasks.release(worker, [])
    assert await store.tasks.held(worker) == []
    assert await take(store, worker) == [claimed(offer(run.id), 2)]
    ((row,),) = (await store.tasks.read([run.id])).values()
    assert row.lost == 0


async def test_finished_once(store: Store, worker: UUID) -> None:
    """What arrives twice is written once, and what is finished is not given back."""
    run = await started(store, worker)
    await store.tasks.offer(worker, [offer(run.id)], 100)
    (task,) = await take(store, worker)
    await store.tasks.finish(worker, [finished(task)])
    await store.tasks.finish(worker, [finished(task, Verdict.ERROR)])
    await store.tasks.finish(worker, [])
    await store.tasks.release(worker, [name(task)])
    (outcome,) = await store.tasks.outcomes(worker)
    assert outcome.verdict == Verdict.RESULT
    assert await take(store, worker) == []


async def test_what_attempts_say_is_kept_for_the_next(store: Store, worker: UUID) -> None:
    """From the offer to the claimer, from a claimer that leaves or dies to the next, and to the
    owner with a failure. Who does not hold the attempt writes nothing."""
    run = await started(store, worker)
    first, second = await live_worker(store), await live_worker(store)
    await store.tasks.offer(worker, [offer(run.id)._replace(report=b"0")], 100)
    (task,) = await take(store, first)
    assert task.report == b"0"
    await store.tasks.report(first, [ReportedTask(*name(task), b"1")])
    await store.tasks.report(first, [])
    await store.tasks.report(second, [ReportedTask(*name(task), b"not mine")])
    await store.tasks.report(first, [ReportedTask(*name(task)._replace(claim=9), b"not this")])
    await store.tasks.release(first, [name(task)])
    await store.tasks.report(first, [ReportedTask(*name(task), b"given back")])
    (task,) = await take(store, second)
    assert task.report == b"1"
    await store.tasks.report(second, [ReportedTask(*name(task), b"2")])
    await die(store, second)
    (task,) = await take(store, first)
    assert task.report == b"2"
    await store.tasks.finish(first, [finished(task, Verdict.AGAIN)])
    await store.tasks.report(first, [ReportedTask(*name(task), b"too late")])
    (outcome,) = await store.tasks.outcomes(worker)
    assert outcome.report == b"2"
    await store.tasks.offer(worker, [offer(run.id, attempt=2)._replace(report=b"3")], 100)
    (task,) = await take(store, first)
    assert task.report == b"3"
    await store.tasks.finish(first, [finished(task, Verdict.AGAIN)._replace(report=b"4")])
    (outcome,) = await store.tasks.outcomes(worker)
    assert outcome.report == b"4"
    await store.tasks.offer(worker, [offer(run.id, attempt=3)], 100)
    (task,) = await take(store, first)
    assert task.report == b""


async def test_outcomes_wait_for_the_next_owner(cluster: Cluster) -> None:
    """The owner gives the run back, or dies; its rows stay, and others see their outcome."""
    store = await cluster.open()
    first, second, helper = [await live_worker(store) for _ in range(3)]
    run = await started(store, first)
    await store.tasks.offer(first, [offer(run.id)], 100)
    (task,) = await take(store, helper)
    await store.flush(0, batch(first, releases=[release(run.id)]))
    await store.tasks.finish(helper, [finished(task)])
    assert await store.tasks.outcomes(first) == []
    await store.claim(second, [run.graph], [run.queue], 1)
    assert [outcome.effect for outcome in await store.tasks.outcomes(second)] == [0]


async def test_rows_of_runs_that_are_over(store: Store, worker: UUID) -> None:
    """Nobody takes them, and they can be cleared away; those of a live run stay."""
    over, bad, live = [await started(store, worker) for _ in range(3)]
    await store.tasks.offer(worker, [offer(run.id) for run in (over, bad, live)], 100)
    end = RunEnd(bad.id, 1, RunState.QUARANTINED, 0, b"why")
    await store.flush(0, batch(worker, ends=[success(over.id), end]))
    assert [task.run_id for task in await take(store, worker)] == [live.id]
    await store.tasks.forget_orphaned()
    assert list(await store.tasks.read([over.id, bad.id, live.id])) == [live.id]


async def test_large_outcomes_come_a_few_at_a_time(store: Store, worker: UUID) -> None:
    """All of them, in the end."""
    run = await started(store, worker)
    rows = [offer(run.id, effect) for effect in range(3)]
    await store.tasks.offer(worker, rows, 100)
    large = bytes(6 * 1024 * 1024)
    tasks = await take(store, worker)
    await store.tasks.finish(worker, [finished(task)._replace(outcome=large) for task in tasks])
    seen = 0
    while found := await store.tasks.outcomes(worker):
        assert all(outcome.outcome == large for outcome in found)
        seen += len(found)
        await store.tasks.forget([OverTask(*outcome[:3]) for outcome in found])
    assert seen == 3


async def test_what_others_serve(store: Store, worker: UUID) -> None:
    """Each other live worker tells its queues; one of older code tells none."""
    other = uuid4()
    await store.register_worker(other, 3600.0, '{"queues": ["default", "gpu"]}')
    assert await store.tasks.served_queues(worker) == [["default", "gpu"]]
    assert await store.tasks.served_queues(other) == [[]]
    await die(store, other)
    assert await store.tasks.served_queues(worker) == []


async def test_a_run_says_why_it_waits(store: Store, worker: UUID) -> None:
    """Its owner marks it as blocked, and takes that back; nobody else does."""
    run, other = await started(store, worker), await live_worker(store)
    assert await store.tasks.explain(other, [(run.id, 1)], "no") == []
    assert await store.tasks.explain(worker, [(run.id, 2)], "no") == []
    assert await store.tasks.explain(worker, [(run.id, 1)], "no gpu\x00") == [run.id]
    row = (await store.read_runs([run.id]))[run.id]
    assert (row.state, row.reason, row.owner) == (RunState.BLOCKED, "no gpu\\x00", worker)
    assert await store.tasks.explain(worker, [(run.id, 1)], None) == [run.id]
    row = (await store.read_runs([run.id]))[run.id]
    assert (row.state, row.reason) == (RunState.RUNNING, None)
    assert await store.tasks.explain(worker, [], None) == []
