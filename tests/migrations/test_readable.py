"""What a person sees in psql."""

from __future__ import annotations

import asyncpg
import pytest

from tests.store.rows import batch, entry, live_worker, owned_run, success
from waymark.store.postgres import PostgresStore
from waymark.store.records import EntryKind, RunState

pytestmark = pytest.mark.anyio


async def test_views_show_payloads_and_names(database_url: str, schema: str) -> None:
    """Views show JSON as text, and states and kinds by the names the code gives them."""
    store = PostgresStore(database_url, schema=schema)
    await store.open()
    worker = await live_worker(store)
    run = owned_run(worker)
    await store.flush(0, batch(worker, runs=[run], entries=[entry(run.id, 1)]))
    await store.flush(0, batch(worker, ends=[success(run.id, result='"gr\u00fcn"'.encode())]))
    await store.close()
    connection = await asyncpg.connect(database_url)
    try:
        shown = await connection.fetchrow(f'select * from "{schema}".runs_readable')
        assert (shown["state"], shown["input"], shown["result"]) == (
            "succeeded",
            '{"x":1}',
            '"gr\u00fcn"',
        )
        line = await connection.fetchrow(f'select * from "{schema}".journal_readable')
        assert (line["run_id"], line["kind"], line["payload"]) == (run.id, "result", '"done"')

        for view, column, names in (
            ("runs_readable", "state", RunState),
            ("journal_readable", "kind", EntryKind),
        ):
            definition = await connection.fetchval(
                "select pg_get_viewdef($1::regclass)", f"{schema}.{view}"
            )
            for name in names:
                assert f"WHEN {name.value} THEN '{name.name.lower()}'" in definition, (view, column)
    finally:
        await connection.close()
