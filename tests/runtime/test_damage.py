"""Rows damaged by hand, one column at a time, while others of the same graph go on: the
damaged run alone is quarantined, with what is wrong, or heals, or waits for other code."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import pytest

from tests.runtime.serving import result, serving, submit, until
from tests.runtime.workflows import Stage, double, fail, held
from waymark.authoring import RetryPolicy, Workflow, action, context, workflow
from waymark.runtime.runtime import Runtime
from waymark.store.open import open_store
from waymark.store.records import RunState

pytestmark = pytest.mark.anyio

#: Sound runs beside the damaged ones.
SOUND = 3


@action
async def stumble() -> int:
    raise OSError("stumbled")


@action(queue="gpu")
async def render(number: int) -> int:
    return number


@action
async def advance(number: int) -> int:
    context().heartbeat({"at": number})
    return await double(number) if await held("last") else 0


@workflow
class Eventful(Workflow):
    """Has entries of all kinds in its journal when it comes to the last call."""

    async def run(self, number: int) -> list[Any]:
        first = await double(number)
        now = datetime.now()
        try:
            await fail("no")
        except ValueError as error:
            second = str(error)
        try:
            await self.run_action(stumble(), retry=RetryPolicy(attempts=2, backoff_seconds=0))
        except OSError as error:
            second += str(error)
        said = await self.wait_for_event("said", type=str, timeout=1e6)
        try:
            async with asyncio.timeout(0.001):
                await held("in vain")
        except TimeoutError:
            second += "late"
        return [first, second, said, await held("last"), now.year > 2000]


@workflow
class Rendered(Workflow):
    async def run(self, number: int) -> int:
        return await self.run_action(render(number), retry=RetryPolicy(attempts=3))


@workflow
class Reporting(Workflow):
    async def run(self, number: int) -> int:
        return await self.run_action(advance(number), total_timeout=3600)


class Damage(NamedTuple):
    """`change` of the row of one run in `table`; and its state then, with a part of why."""

    table: str
    change: str
    where: str
    ends: RunState
    says: str = ""


GOES_ON, WRONG, WAITS = RunState.SUCCEEDED, RunState.QUARANTINED, RunState.BLOCKED
LAST = 'seq = (select max(seq) from "{schema}".journal as j where j.run_id = journal.run_id)'
DEEP = "repeat('[', 100000)::bytea"

JOURNAL = [
    Damage("journal", *rest)
    for rest in (
        ("payload = 'nonsense'", "seq = 1", WRONG, "entry 1 of the journal is damaged: its payl"),
        ("payload = '[1, 2'", "seq = 1", WRONG, "entry 1 of the journal is damaged: its payload"),
        ("payload = ''", "seq = 1", WRONG, "is no JSON text"),
        (r"payload = '\xfffe'", "seq = 1", WRONG, "is no JSON text"),
        (f"payload = {DEEP}", "seq = 1", WRONG, "nested deeper than any value"),
        ("payload = '12'", "kind = 2", WRONG, "is no stored exception"),
        ("payload = 'nonsense'", "kind = 4", WRONG, "a tape entry is damaged"),
        ("payload = '[]'", "kind = 4", WRONG, "is not pending"),
        ("payload = 'nonsense'", "kind = 5", GOES_ON),
        ("payload = 'nonsense'", "kind = 7", WRONG, "is damaged"),
        ("payload = '[1,1e999,3]'", "kind = 7", WRONG, "is damaged"),
        ("payload = 'nonsense'", "kind = 9", WRONG, "is damaged"),
        ("""payload = '["k","said"]'""", "kind = 9", WRONG, "is damaged"),
        ("kind = 77", "seq = 1", WRONG, "entry 1 of kind 77 came unexpectedly"),
        ("kind = -1", "seq = 1", WRONG, "entry 1 of kind -1 came unexpectedly"),
        ("kind = 2", "seq = 1", WRONG, "is no stored exception"),
        ("kind = 5", "seq = 1", WRONG, "timer 0 of entry 1 was not pending"),
        ("kind = 1", "kind = 9", WRONG, "is not pending"),
        ("seq = 1000", "seq = 2", WRONG, "recorded calls that the journal lacks"),
        ("seq = -1", "seq = 1", WRONG, "entry 1 is missing (found 2)"),
        ("seq = 2147483647", LAST, WRONG, "is missing (found 2147483647)"),
        ("effect = -5", "seq = 1", WRONG, "effect -5 of entry 1 is not pending"),
        ("effect = 2147483647", "seq = 1", WRONG, "effect 2147483647 of entry 1"),
        ("effect = -7", "kind = 5", WRONG, "timer -7 of entry"),
        ("node = 99", "seq = 1", WRONG, "those recorded in entry 1 (node 99)"),
        ("digest = 1", "seq = 1", WRONG, "those recorded in entry 1"),
        ("digest = 1", "kind = 6", WRONG, "the frames differ from those at the claim"),
        ("at_ns = 9223372036854775807", "seq = 1", WRONG, "was not pending"),
        ("at_ns = 0", "kind = 5", WRONG, "was not pending"),
        ("epoch = -1", "seq = 1", GOES_ON),
        ("run_id = gen_random_uuid()", "seq = 1", WRONG, "entry 1 is missing (found 2)"),
    )
]

RUNS = [
    Damage("runs", change, "true", *rest)
    for change, *rest in (
        ("began_ns = 0", WRONG, "was not pending"),
        ("began_ns = 9223372036854775807", WRONG, "was not pending"),
        ("epoch = 2147483647", GOES_ON),
        ("epoch = -7", GOES_ON),
        (r"graph = '\x00'", WAITS, "its graph 00 is not in the database"),
        ("input = 'nonsense'", WRONG, "the input of this run is damaged in the database: it is no"),
        ("input = '[]'", WRONG, "is no JSON object"),
        ("""input = '{"number": 5000}'""", WRONG, "those recorded in entry 1"),
        ("""input = '{"other": 5}'""", WAITS, "'number' were not recorded"),
        ("owner = gen_random_uuid()", GOES_ON),
        ("wake_at = 'infinity'", GOES_ON),
        ("parent = gen_random_uuid()", GOES_ON),
        ("crashes = 32767, owner = gen_random_uuid()", WRONG, "processes in a row died of it"),
        ("crashes = -3", GOES_ON),
        ("crash_seq = 99", GOES_ON),
        ("submitted_at = 'infinity'", GOES_ON),
        ("submitted_at = '-infinity'", GOES_ON),
        ("end_digest = 5", GOES_ON),
        ("result = 'nonsense'", GOES_ON),
    )
]

SNAPSHOTS = [
    Damage("snapshots", change, "true", GOES_ON)
    for change in (
        "seq = 2",
        "seq = 2147483647",
        "epoch = -5",
        "digest = 5",
        r"graph = '\x00'",
        "writer = 'somebody'",
        "payload = 'nonsense'",
        r"payload = '\x'",
        f"payload = {DEEP}, digest = 0",
    )
]

TASKS = [
    Damage("tasks", change, "true", *rest)
    for change, *rest in (
        ("attempt = 7", GOES_ON),
        ("claimer = gen_random_uuid()", GOES_ON),
        ("claim = 2147483647", GOES_ON),
        ("claim = -9", GOES_ON),
        ("lost = 2147483647", WRONG, "2147483647 processes died"),
        ("lost = -2147483648", GOES_ON),
        ("verdict = 77", WRONG, "verdict 77"),
        ("verdict = 1", WRONG, "its outcome is missing"),
        ("verdict = 2, outcome = 'nonsense'", WRONG, "outcome is no JSON text"),
        ("verdict = 2, outcome = '5'", WRONG, "outcome is no stored exception"),
        (
            """verdict = 3, outcome = '{"$t": 1}', pause_seconds = 'nan'""",
            WRONG,
            "its pause is negative",
        ),
        ("options = 'nonsense'", WRONG, "options are no JSON text"),
        ("arguments = 'nonsense'", WRONG, "arguments are no JSON text"),
        ("arguments = '[]'", WRONG, "arguments are no JSON object"),
        ("report = 'nonsense'", GOES_ON),
        ("report = '[]'", GOES_ON),
        (f"report = {DEEP}", GOES_ON),
        ("""report = '{"since":-1,"progress":7}'""", GOES_ON),
        ("""report = '{"since":"then"}'""", GOES_ON),
    )
]

ATTEMPTS = [
    Damage("attempts", change, "true", GOES_ON)
    for change in (
        "attempt = 99",
        "attempt = -1",
        "since_ns = -1",
        "progress = 'nonsense'",
        f"progress = {DEEP}",
        "effect = -1",
        "run_id = gen_random_uuid()",
    )
]


class Site:
    """A database that tests write into by hand, and a process on it."""

    def __init__(self, admin: asyncpg.Connection, url: str, schema: str) -> None:
        self.admin = admin
        self.url = url
        self.schema = schema

    def serving(self, **settings: Any) -> Any:
        return serving(open_store(self.url, schema=self.schema), drain_seconds=0.0, **settings)

    async def filled(self, table: str, count: int) -> None:
        """Returns once a table has so many rows."""
        rows = 0
        async with asyncio.timeout(30):
            while rows < count:
                rows = await self.admin.fetchval(f'select count(*) from "{self.schema}".{table}')

    async def harm(self, damages: Sequence[Damage], ids: Sequence[UUID]) -> None:
        for damage, run_id in zip(damages, ids, strict=False):
            key = "id" if damage.table == "runs" else "run_id"
            where = damage.where.format(schema=self.schema)
            done = await self.admin.execute(
                f'update "{self.schema}".{damage.table} set {damage.change}'
                f" where {key} = $1 and {where}",
                run_id,
            )
            assert done != "UPDATE 0", damage

    async def ends(
        self, runtime: Runtime, damages: Sequence[Damage], ids: Sequence[UUID]
    ) -> list[tuple[Damage, int, str | None]]:
        """Where runs do not come to what was expected, once all stand still."""
        # Somebody waits for each of them, which must harm nobody either.
        waiting = [asyncio.create_task(result(runtime, run_id)) for run_id in ids]
        wrong: list[tuple[Damage, int, str | None]] = []
        for _ in range(400):
            rows = await self.admin.fetch(
                f'select id, state, reason from "{self.schema}".runs where id = any ($1)', ids
            )
            states = {row["id"]: (row["state"], row["reason"]) for row in rows}
            wrong = [
                (damage, *states[run_id])
                for damage, run_id in zip(damages, ids, strict=True)
                if states[run_id][0] != damage.ends or damage.says not in (states[run_id][1] or "")
            ]
            if not wrong:
                break
            await asyncio.sleep(0.02)
        for waiter in waiting:
            waiter.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        return wrong


@pytest.fixture
async def site(database_url: str, schema: str) -> AsyncIterator[Site]:
    admin = await asyncpg.connect(database_url)
    yield Site(admin, database_url, schema)
    await admin.close()


@pytest.mark.parametrize(
    ("damages", "entries"),
    [(JOURNAL, 1000), (RUNS, 1000), (SNAPSHOTS, 1)],
    ids=["journal", "runs", "snapshots"],
)
async def test_one_damaged_column_harms_one_run_at_the_most(
    site: Site, stage: Stage, damages: list[Damage], entries: int
) -> None:
    """All damages at once, each in a run of its own; the sound runs of the graph end."""
    ids = []
    async with site.serving(snapshot_entries=entries) as runtime:
        for number in range(len(damages) + SOUND):
            ids.append(await submit(runtime, Eventful, number))
            await runtime.client.send(ids[-1], "said", "hello", None)
        await until(lambda: stage.calls["last"] == len(ids))
    stage.calls.clear()
    async with site.serving(snapshot_entries=entries):  # For the entry of a claim.
        await until(lambda: stage.calls["last"] == len(ids))
    await site.harm(damages, ids)
    stage.go.set()
    async with site.serving() as runtime:
        for number, run_id in list(enumerate(ids))[-SOUND:]:
            ended = await result(runtime, run_id, Eventful, 30)
            assert ended == [2 * number, "nostumbledlate", "hello", "last", True]
        assert await site.ends(runtime, damages, ids[:-SOUND]) == []


async def test_a_damaged_task_harms_its_run_alone(site: Site, stage: Stage) -> None:
    """Nor does it keep others from attempts of the same action."""
    async with site.serving(queues=("default",)) as runtime:
        ids = [await submit(runtime, Rendered, number) for number in range(len(TASKS) + SOUND)]
        await site.filled("tasks", len(ids))
        await site.harm(TASKS, ids)
        async with site.serving(queues=("gpu",)):
            for number, run_id in list(enumerate(ids))[-SOUND:]:
                assert await result(runtime, run_id, Rendered, 30) == number
            assert await site.ends(runtime, TASKS, ids[:-SOUND]) == []


async def test_a_damaged_report_harms_nobody(site: Site, stage: Stage) -> None:
    """What an attempt said of itself is an aid to the next one and no more."""
    async with site.serving() as runtime:
        ids = [await submit(runtime, Reporting, number) for number in range(len(ATTEMPTS) + SOUND)]
        await site.filled("attempts where progress is not null", len(ids))
    await site.harm(ATTEMPTS, ids)
    stage.go.set()
    async with site.serving() as runtime:
        assert await site.ends(runtime, ATTEMPTS, ids[:-SOUND]) == []


@pytest.mark.parametrize(
    ("kind", "payload", "ends", "says"),
    [
        (77, "'5'", WRONG, "is damaged: its kind is 77"),
        (9, "'nonsense'", RunState.FAILED, ""),
        (9, DEEP, RunState.FAILED, ""),
    ],
)
async def test_a_damaged_message_harms_its_run_alone(
    site: Site, stage: Stage, kind: int, payload: str, ends: RunState, says: str
) -> None:
    """One of an unknown kind, and events that nobody can read: the body is told of these."""
    async with site.serving() as runtime:
        ids = [await submit(runtime, Eventful, number) for number in range(2)]
        await site.admin.execute(
            f'insert into "{site.schema}".inbox (run_id, key, kind, name, payload)'
            f" values ($1, 'by hand', {kind}, 'said', {payload})",
            ids[0],
        )
        await site.admin.execute(f'update "{site.schema}".runs set wake_at = now()')
        stage.go.set()
        await runtime.client.send(ids[1], "said", "hello", None)
        assert (await result(runtime, ids[1], Eventful, 30))[2] == "hello"
        damage = Damage("inbox", "kind", "true", ends, says)
        assert await site.ends(runtime, [damage], ids[:1]) == []


@pytest.mark.parametrize("state", [7, 77, -4])
async def test_an_unknown_state_harms_its_run_alone(site: Site, stage: Stage, state: int) -> None:
    """Nobody executes a run in a state above those that are known; who waits for it waits,
    and who waits for others is told."""
    async with site.serving() as runtime:
        run_id = await submit(runtime, Eventful, 1)
        await until(lambda: stage.calls["double 1"] == 1)
    await site.admin.execute(f'update "{site.schema}".runs set state = $1', state)
    stage.go.set()
    async with site.serving() as runtime:
        waiting = asyncio.create_task(result(runtime, run_id, Eventful))
        sound = await submit(runtime, Eventful, 2)
        await runtime.client.send(sound, "said", "hello", None)
        assert (await result(runtime, sound, Eventful, 30))[0] == 4
        status = await runtime.client.status(run_id)
        if state > 0:
            assert status.state == f"in the unknown state {state}"
            assert not waiting.done()
            waiting.cancel()
        else:
            await runtime.client.send(run_id, "said", "hello", None)
            assert (await waiting)[0] == 2


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ("{}", "its graph is refused"),
        ("[1, 2]", "its graph is refused"),
        ("null", "its graph is refused"),
        ("[" * 2000 + "]" * 2000, "its graph is refused"),
    ],
    ids=["empty", "list", "null", "deep"],
)
async def test_a_damaged_graph_blocks_its_runs_alone(
    site: Site, stage: Stage, document: str, says: str
) -> None:
    """They go on when somebody stores the graph again."""
    async with site.serving() as runtime:
        run_id = await submit(runtime, Eventful, 1)
        await until(lambda: stage.calls["double 1"] == 1)
    await site.admin.execute(f'update "{site.schema}".graphs set document = $1', document)
    async with site.serving() as runtime:
        damage = Damage("graphs", "document", "true", WAITS, says)
        assert await site.ends(runtime, [damage], [run_id]) == []
        sound = await submit(runtime, Reporting, 3)
        stage.go.set()
        assert await result(runtime, sound, Reporting, 30) == 6
