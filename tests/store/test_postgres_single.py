"""Which batches are written by a statement of their own."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.store.rows import batch, entry, live_worker, owned_run, release, success
from tests.store.sessions import session
from waymark.errors import WaymarkBug
from waymark.store.postgres import PostgresStore
from waymark.store.postgres.single import to_single
from waymark.store.records import Flush, RunEnd, RunState

WORKER, RUN = uuid4(), uuid4()


@pytest.mark.parametrize(
    ("written", "statement"),
    [
        (batch(WORKER, runs=[owned_run(WORKER)]), "flush_run"),
        (batch(WORKER, entries=[entry(RUN, 1)]), "flush_entry"),
        (batch(WORKER, entries=[entry(RUN, 1)], ends=[success(RUN)]), "flush_end"),
    ],
)
def test_one_step_of_one_run_has_its_own_statement(written: Flush, statement: str) -> None:
    """These three are what an idle system writes."""
    single = to_single(written)
    assert single is not None
    assert single.statement == statement


async def rows_of(url: str, schema: str, table: str, run: UUID) -> list[dict[str, object]]:
    """All columns of a run's rows, but for when they were written."""
    async with session(url) as connection:
        rows = await connection.fetch(f'select * from "{schema}".{table} as row')
    mine = [dict(row) for row in rows if run in (row.get("id"), row.get("run_id"))]
    for row in mine:
        row.pop("id", None)
        row.pop("run_id", None)
        row.pop("submitted_at", None)
        row["finished_at"] = row.get("finished_at") is not None
    return mine


@pytest.mark.anyio
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"parent": uuid4(), "priority": -3, "queue": "gpu"},
        {"owner": None, "epoch": 0, "state": RunState.READY, "began_ns": 0},
        {"owner": None, "epoch": 0, "state": RunState.WAITING, "began_ns": 2**61 + 1},
    ],
)
async def test_a_row_is_the_same_by_either_statement(
    postgres: PostgresStore, database_url: str, schema: str, changes: dict[str, Any]
) -> None:
    """Each column of a run, of its entries and of its end."""
    worker = await live_worker(postgres)
    single, beside, other = (owned_run(worker)._replace(id=uuid4(), **changes) for _ in range(3))
    await postgres.flush(0, batch(worker, runs=[single]))
    await postgres.flush(0, batch(worker, runs=[beside, other]))
    first, second = ([entry(run.id, 1) for run in runs] for runs in ([single], [beside, other]))
    last = [row._replace(seq=2) for row in first + second]
    assert len(await postgres.flush(0, batch(worker, entries=first))) == bool(changes.get("state"))
    await postgres.flush(0, batch(worker, entries=second))
    ends = [success(row.run_id) for row in last]
    await postgres.flush(0, batch(worker, entries=last[:1], ends=ends[:1]))
    await postgres.flush(0, batch(worker, entries=last[1:], ends=ends[1:]))
    for table in ("runs", "journal"):
        found = await rows_of(database_url, schema, table, single.id)
        assert found == await rows_of(database_url, schema, table, beside.id)
        assert bool(found) == (table == "runs" or "state" not in changes)


@pytest.mark.parametrize(
    "written",
    [
        batch(WORKER),
        batch(WORKER, runs=[owned_run(WORKER), owned_run(WORKER)]),
        batch(WORKER, runs=[owned_run(WORKER)], entries=[entry(RUN, 1)]),
        batch(WORKER, runs=[owned_run(WORKER)], ends=[success(RUN)]),
        batch(WORKER, entries=[entry(RUN, 1), entry(RUN, 2)]),
        batch(WORKER, entries=[entry(RUN, 1)], ends=[success(uuid4())]),
        batch(WORKER, entries=[entry(RUN, 1)], ends=[success(RUN, epoch=2)]),
        batch(WORKER, entries=[entry(RUN, 1)], ends=[success(RUN), success(uuid4())]),
        batch(WORKER, entries=[entry(RUN, 1)], ends=[RunEnd(RUN, 1, RunState.BLOCKED, 0, b"why")]),
        batch(WORKER, entries=[entry(RUN, 1)], releases=[release(uuid4())]),
        batch(WORKER, ends=[success(RUN)]),
        batch(WORKER, releases=[release(RUN)]),
    ],
)
def test_whatever_is_more_goes_as_a_batch(written: Flush) -> None:
    """Nothing of a batch is left out."""
    assert to_single(written) is None


def test_what_the_server_wrote_is_counted() -> None:
    """An entry that is missing while the run is ours, or there while it is not, would be
    a hole in a journal, or a second owner's entry."""
    single = to_single(batch(WORKER, entries=[entry(RUN, 1)]))
    assert single is not None
    assert single.refused(1, None) == frozenset()
    assert single.refused(0, [False]) == {RUN}
    with pytest.raises(WaymarkBug, match="wrote 0 entries instead of 1"):
        single.refused(0, None)
    with pytest.raises(WaymarkBug, match="wrote 1 entries instead of 0"):
        single.refused(1, [False])
