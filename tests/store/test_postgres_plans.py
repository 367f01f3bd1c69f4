"""Statements reach their rows through indexes, whatever the tables hold."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from tests.store.rows import GRAPH, OTHER_GRAPH, live_worker
from waymark.store.postgres import PostgresStore
from waymark.store.postgres.connecting import PINNED_PLANS
from waymark.store.postgres.statements import Statements

pytestmark = pytest.mark.anyio

#: Rows of each kind. Many against the bound on pages, few for a test.
ROWS = 30_000

#: Pages that a sweep may look at while nothing is to be found among `ROWS` live runs.
PAGES_MAX = 200

#: And at most so many for a run that is claimed: its row is written anew, and an entry in
#: each index. (Read all through, `ROWS` runs have 1,200.)
PAGES_PER_CLAIM = 40

FILL = """
insert into "{schema}".runs
    (id, workflow, graph, queue, owner, epoch, state, began_ns, input, finished_at, priority)
select
    gen_random_uuid(), 'app:Welcome', $1, 'default', $2, 1, $3::smallint, 1, '{{}}',
    case when $3::smallint >= 10 then now() end, row % $5
from generate_series(1, $4) row
"""


@pytest.fixture
async def pinned(postgres: PostgresStore, database_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database_url, server_settings=PINNED_PLANS)
    yield connection
    await connection.close()


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", ()):
        yield from nodes(inner)


async def explained(
    connection: asyncpg.Connection, options: str, text: str, *arguments: str
) -> dict[str, Any]:
    """The plan of a statement as it is run: prepared, with a generic plan."""
    name = f"plan_{uuid4().hex[:8]}"
    await connection.execute(f"prepare {name} as {text}")
    call = f"{name}({', '.join(arguments)})" if arguments else name
    shown = await connection.fetchval(f"explain ({options}, format json) execute {call}")
    plan: dict[str, Any] = json.loads(shown)[0]["Plan"]
    return plan


async def test_no_statement_scans_a_table_that_grows(
    pinned: asyncpg.Connection, schema: str
) -> None:
    """Each statement has an index for `runs` and `journal`."""
    statements = Statements(schema)
    checked = 0
    for name in statements:
        text = statements[name]
        if not any(table in text for table in (".runs", ".journal")):
            continue
        prepared = await pinned.prepare(text)
        nothing = ["null"] * len(prepared.get_parameters())
        plan = await explained(pinned, "costs off", text, *nothing)
        for node in nodes(plan):
            scanned = node["Node Type"] == "Seq Scan" and node.get("Relation Name")
            assert scanned not in ("runs", "journal"), name
        checked += 1
    assert checked >= 8


@pytest.mark.parametrize("statement", ["claim", "look", "set_blocked"])
async def test_an_idle_sweep_does_not_depend_on_how_much_is_going_on(
    postgres: PostgresStore, pinned: asyncpg.Connection, schema: str, statement: str
) -> None:
    """With many live runs of live workers, many that are known to be blocked and many
    that ended, finding nothing to do reads a few pages."""
    worker = await live_worker(postgres)
    fill = FILL.format(schema=schema)
    await pinned.execute(fill, GRAPH, worker, 2, ROWS, 1)
    await pinned.execute(fill, OTHER_GRAPH, None, 5, ROWS, 1)
    await pinned.execute(fill, GRAPH, None, 10, ROWS, 1)
    await pinned.execute(f'vacuum analyze "{schema}".runs')
    graph, queues = f"'\\x{GRAPH.hex()}'", "'{default}'"
    arguments = {
        "claim": (
            f"'{worker}'",
            f"array[{graph}]::bytea[]",
            queues,
            "100",
            "1",
            "0",
            "0",
            "10",
            "2",
            f"'{{{uuid4()}}}'",
        ),
        "look": (f"'{worker}'", queues, "2"),
        "set_blocked": (f"'\\x{OTHER_GRAPH.hex()}'", "'nobody serves it'", "false", "1000"),
    }[statement]
    text = Statements(schema)[statement]
    plan = await explained(pinned, "analyze, buffers", text, *arguments)
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] <= PAGES_MAX


async def test_a_claim_finds_the_urgent_among_many_that_are_free(
    postgres: PostgresStore, pinned: asyncpg.Connection, schema: str
) -> None:
    """The index has them in their order: what is not claimed is not read, nor is it to learn
    that there are some."""
    worker = await live_worker(postgres)
    await pinned.execute(FILL.format(schema=schema), GRAPH, None, 1, ROWS, 5)
    await pinned.execute(f'vacuum analyze "{schema}".runs')
    graphs = f"array['\\x{GRAPH.hex()}']::bytea[]"
    rest = ("'{default}'", "10", "1", "0", "0", "10", "2", "'{}'")
    text = Statements(schema)["claim"]
    plan = await explained(pinned, "analyze, buffers", text, f"'{worker}'", graphs, *rest)
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] <= 10 * PAGES_PER_CLAIM
    looked = ("array['default']", "2")
    text = Statements(schema)["look"]
    look = await explained(pinned, "analyze, buffers", text, f"'{worker}'", *looked)
    assert look["Shared Hit Blocks"] + look["Shared Read Blocks"] <= PAGES_MAX
    taken = await pinned.fetch(f'select priority from "{schema}".runs where owner is not null')
    assert [row["priority"] for row in taken] == [4] * 10
