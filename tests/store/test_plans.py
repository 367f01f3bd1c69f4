"""With a million finished runs and a hundred thousand waiting ones, every statement that is
sent while runs run reaches its rows through an index: with the settings of our own
connections, and with those of a server behind a pooler, where nobody pins anything."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.database import execute
from tests.store.rows import GRAPH, batch, entry, owned_run, release, success
from tests.store.test_postgres_plans import explained, nodes
from waymark.store.postgres import PostgresStore
from waymark.store.postgres.columns import to_columns
from waymark.store.postgres.connecting import PINNED_PLANS
from waymark.store.postgres.statements import Statements

pytestmark = pytest.mark.anyio

FINISHED = 1_000_000
WAITING = 100_000
ENTRIES_EACH = 1

#: Pages that a statement may look at that finds nothing to do.
PAGES_MAX = 200

SCHEMA = "test_plans_at_size"

#: Tables that grow with what has been done.
GROWING = ("runs", "journal")

#: Indexes of everything that was ever done: to walk one is to read the table.
OF_ALL = ("runs_pkey", "journal_pkey", "runs_finished")

#: Ids are in order, as a UUIDv7 would be; finished runs ended some minutes ago.
FILL = """
insert into "{schema}".runs
    (id, workflow, graph, queue, owner, epoch, state, began_ns, input, result, submitted_at,
     finished_at)
select
    lpad(to_hex({first} + n), 32, '0')::uuid, 'app:Welcome', '{graph}', 'default', null, 1,
    {state}, 1, '1', '1', now() - make_interval(secs => {count} - n),
    case when {state} >= 10 then now() - make_interval(secs => 60 + ({count} - n) / 1000) end
from generate_series(1, {count}) as n
"""
JOURNAL = """
insert into "{schema}".journal (run_id, at_ns, seq, epoch, effect, node, digest, kind, payload)
select lpad(to_hex(n), 32, '0')::uuid, n, 1, 1, 1, 1, 1, 1, '1'
from generate_series(1, {count}) as n
"""

#: Statements for people, who can wait.
FOR_PEOPLE = ("doctor_",)


def run_id(number: int) -> UUID:
    return UUID(int=number)


@pytest.fixture(scope="module")
async def large(database_url: str) -> AsyncIterator[UUID]:
    """A schema with that many runs, analysed; and a worker there. Kept out of the log, as
    nobody will ever recover it."""
    execute(database_url, f'drop schema if exists "{SCHEMA}" cascade')
    store = PostgresStore(database_url, schema=SCHEMA)
    await store.open()
    worker = uuid4()
    await store.register_worker(worker, 3600.0, "{}")
    await store.close()
    waiting = {"first": FINISHED, "graph": f"\\x{bytes(16).hex()}", "state": 5, "count": WAITING}
    done = {"first": 0, "graph": f"\\x{GRAPH.hex()}", "state": 10, "count": FINISHED}
    execute(
        database_url,
        f'alter table "{SCHEMA}".runs set unlogged',
        f'alter table "{SCHEMA}".journal set unlogged',
        FILL.format(schema=SCHEMA, **done),
        FILL.format(schema=SCHEMA, **waiting),
        JOURNAL.format(schema=SCHEMA, count=FINISHED * ENTRIES_EACH),
        f'vacuum analyze "{SCHEMA}".runs',
        f'vacuum analyze "{SCHEMA}".journal',
    )
    yield worker
    execute(database_url, f'drop schema "{SCHEMA}" cascade')


@pytest.fixture(params=["pinned", "default"])
async def connection(
    request: pytest.FixtureRequest, database_url: str
) -> AsyncIterator[asyncpg.Connection]:
    settings: Mapping[str, str] = PINNED_PLANS if request.param == "pinned" else {}
    connection = await asyncpg.connect(database_url, server_settings=dict(settings))
    yield connection
    await connection.close()


def literal(value: object, type_name: str) -> str:
    """A value as SQL text, of the type that a parameter has."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case bytes():
            return f"'\\x{value.hex()}'"
        case list() | tuple():
            inner = ", ".join(literal(each, type_name.removesuffix("[]")) for each in value)
            return f"array[{inner}]::{type_name}"
        case _:
            escaped = str(value).replace("'", "''")
            return f"'{escaped}'"


#: What a parameter of a type is given where the statement asks for nothing special.
SAMPLES: Mapping[str, object] = {
    "uuid": run_id(5),
    "uuid[]": [run_id(number) for number in range(1, 101)],
    "integer": 100,
    "smallint": 1,
    "bigint": 1,
    "boolean": True,
    "double precision": 1e6,
    "text": "default",
    "text[]": ["default"],
    "bytea": GRAPH,
    "bytea[]": [GRAPH],
    "integer[]": [1],
    "smallint[]": [1],
    "bigint[]": [1],
    "double precision[]": [1.0],
    "boolean[]": [True],
}


def type_name(parameter: Any) -> str:
    names = {"int4": "integer", "int2": "smallint", "int8": "bigint", "bool": "boolean"}
    names["float8"] = "double precision"
    base = parameter.name.removesuffix("[]").removeprefix("_")
    array = "[]" if parameter.kind == "array" else ""
    return names.get(base, base) + array


def flush_arguments(worker: UUID) -> Sequence[object]:
    new = [owned_run(worker) for _ in range(100)]
    ends = [success(run_id(number)) for number in range(1, 50)]
    releases = [release(run_id(number)) for number in range(50, 60)]
    entries = [entry(run_id(number), 2) for number in range(1, 100)]
    columns = to_columns(batch(worker, runs=new, entries=entries, ends=ends, releases=releases))
    return [worker, 1, 1, *columns.arguments]


async def plan_of(
    connection: asyncpg.Connection, text: str, arguments: Sequence[object] | None, options: str
) -> dict[str, Any]:
    """The plan of a statement as it is run: prepared."""
    parameters = (await connection.prepare(text)).get_parameters()
    types = [type_name(parameter) for parameter in parameters]
    given = [SAMPLES[name] for name in types] if arguments is None else arguments
    values = [literal(value, name) for value, name in zip(given, types, strict=True)]
    return await explained(connection, options, text, *values)


def whole_scans(plan: dict[str, Any]) -> list[str]:
    """Where a table that grows is read as a whole: by a sequential scan, or by an index
    without a condition on it. A partial index of what is alive may be walked."""
    found: list[str] = []
    for node in nodes(plan):
        kind, relation = node["Node Type"], node.get("Relation Name")
        if relation in GROWING and kind == "Seq Scan":
            found.append(f"{kind} on {relation}")
        index = node.get("Index Name", "")
        if index in OF_ALL and "Index Cond" not in node:
            found.append(f"{kind} over all of {index}")
    return found


def hot_statements() -> list[str]:
    statements = Statements(SCHEMA)
    return [
        name
        for name in statements
        if not name.startswith(FOR_PEOPLE)
        and any(f'"{SCHEMA}".{table}' in statements[name] for table in GROWING)
    ]


async def test_every_statement_goes_by_an_index(
    large: UUID, connection: asyncpg.Connection
) -> None:
    """None reads a growing table as a whole, however the planner is set."""
    statements = Statements(SCHEMA)
    wrong: dict[str, list[str]] = {}
    names = hot_statements()
    assert {
        "flush",
        "flush_run",
        "flush_entry",
        "flush_end",
        "claim",
        "read_inbox",
        "arrived",
        "remove_finished",
    } <= set(names)
    for name in names:
        arguments = flush_arguments(large) if name == "flush" else None
        found = whole_scans(await plan_of(connection, statements[name], arguments, "costs off"))
        if found:
            wrong[name] = found
    assert wrong == {}


@pytest.mark.parametrize("statement", ["read_inbox", "remove_finished", "remove_unheard"])
async def test_to_find_nothing_costs_a_few_pages(
    large: UUID, connection: asyncpg.Connection, statement: str
) -> None:
    """An idle look does not depend on how much was ever done."""
    statements = Statements(SCHEMA)
    async with connection.transaction():
        plan = await plan_of(connection, statements[statement], None, "analyze, buffers")
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] <= PAGES_MAX
