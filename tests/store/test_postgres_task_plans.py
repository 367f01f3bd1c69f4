"""Statements about tasks reach their rows through indexes, however many calls are open."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.store.rows import batch, live_worker, owned_run
from tests.store.test_postgres_plans import PAGES_MAX, explained, nodes
from waymark.store.postgres import PostgresStore
from waymark.store.postgres.connecting import PINNED_PLANS
from waymark.store.postgres.statements import Statements

pytestmark = pytest.mark.anyio

#: Open calls of a queue that nobody serves.
OPEN = 50_000

#: Walks the index of open calls once, to see what the claimer holds: owners bound how many
#: they offer (`runtime.offers.OFFERED_MAX`).
OPEN_PAGES_MAX = 1_500

FILL = """
insert into "{schema}".tasks
    (run_id, effect, attempt, queue, action, workflow, options, arguments)
select $1, n, 1, 'tpu', 'app:act', 'app:Welcome', '', '1' from generate_series(1, {open}) as n
"""


@pytest.fixture
async def pinned(database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url, server_settings=PINNED_PLANS)
    yield connection
    await connection.close()


@pytest.fixture
async def worker(postgres: PostgresStore, pinned: asyncpg.Connection, schema: str) -> UUID:
    """A worker whose run has that many open calls."""
    worker = await live_worker(postgres)
    run = owned_run(worker)
    await postgres.flush(0, batch(worker, runs=[run]))
    await pinned.execute(FILL.format(schema=schema, open=OPEN), run.id)
    await pinned.execute(f'vacuum analyze "{schema}".tasks')
    return worker


@pytest.mark.parametrize(
    "statement",
    [
        *("claim_tasks", "read_outcomes", "read_tasks", "report_tasks", "finish_tasks"),
        *("release_tasks", "forget_tasks"),
    ],
)
async def test_a_turn_does_not_depend_on_how_many_calls_are_open(
    pinned: asyncpg.Connection, schema: str, worker: UUID, statement: str
) -> None:
    """Nothing is to be found for this worker, and a few pages say so."""
    one = f"'{{{uuid4()}}}'"
    arguments = {
        "claim_tasks": (f"'{worker}'", "'{app:act}'", "'{default,gpu}'", "100", "3"),
        "read_outcomes": (f"'{worker}'", "1000000"),
        "read_tasks": (one,),
        "finish_tasks": (f"'{worker}'", one, "'{1}'", "'{1}'", "'{1}'", "'{0}'", *("'{1}'",) * 2),
        "report_tasks": (f"'{worker}'", one, "'{1}'", "'{1}'", "'{1}'"),
        "release_tasks": (f"'{worker}'", one, "'{1}'", "'{1}'"),
        "forget_tasks": (one, "'{1}'", "'{1}'"),
    }[statement]
    text = Statements(schema)[statement]
    async with pinned.transaction():
        plan = await explained(pinned, "analyze, buffers", text, *arguments)
    scanned = [node["Node Type"] for node in nodes(plan) if node.get("Relation Name") == "tasks"]
    assert "Seq Scan" not in scanned
    most = OPEN_PAGES_MAX if statement == "claim_tasks" else PAGES_MAX
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] <= most


async def test_a_claim_sorts_no_more_than_it_takes(
    pinned: asyncpg.Connection, schema: str, worker: UUID
) -> None:
    """Of a queue that it serves, with many open calls."""
    text = Statements(schema)["claim_tasks"]
    arguments = (f"'{worker}'", "'{app:act}'", "'{default,tpu}'", "10", "3")
    async with pinned.transaction():
        plan = await explained(pinned, "analyze, buffers", text, *arguments)
        taken = await pinned.fetchval(
            f'select count(*) from "{schema}".tasks where claimer is not null'
        )
    assert taken == 10
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] <= OPEN_PAGES_MAX
    sorts = [node for node in nodes(plan) if node["Node Type"] in ("Sort", "WindowAgg")]
    assert max(node["Actual Rows"] for node in sorts) <= 20
