"""Which path takes packed rows to Postgres, and what each costs on both sides.

    python -m benches.packing

Journal rows of 100 runs, 500 in a flush, in a table like Waymark's, on one connection with
the writer's plan settings. *Form* is the processor time in which Python lays the rows out,
the part that somebody else could do; *send* what is left for asyncpg and the event loop;
*server* the processor time of the backend. All are microseconds for each row, the least of
the rounds.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import accumulate
from typing import Any
from uuid import UUID

import asyncpg
import psutil

from benches.server import bench_server
from waymark.runtime.run_ids import RunIds
from waymark.store.postgres.connecting import PINNED_PLANS

ROWS, RUNS, FLUSHES, ROUNDS = 500, 100, 60, 5
TABLE = """
create table journal_probe (
    run_id uuid, seq integer, epoch integer, kind smallint, effect integer, node integer,
    digest integer, at_ns bigint, payload bytea, primary key (run_id, seq)
)
"""
INTO = "insert into journal_probe (run_id, seq, epoch, kind, effect, node, digest, at_ns, payload)"

#: As `flush` does it: ids once for each run, integers as the text of an array.
ARRAYS = f"""
with cut as materialized (select $9::text::integer[] as cuts)
{INTO}
select ($1::uuid[])[place], seq, 1, kind, effect, node, digest, at_ns,
    substr($10::bytea, cuts[line], cuts[line + 1] - cuts[line])
from cut, unnest(
    $2::text::integer[], $3::text::integer[], $4::text::smallint[], $5::text::integer[],
    $6::text::integer[], $7::text::integer[], $8::text::bigint[]
) with ordinality as entry (place, seq, kind, effect, node, digest, at_ns, line)
"""

#: Of one packed row: run_id, seq, kind, effect, node, digest, at_ns, and where its payload is.
ROW = struct.Struct(">16s5iqii")


def _integer(place: int) -> str:
    """The integer at a place of the row that begins at `o`, in SQL."""
    parts = [f"(get_byte(b, o + {place + i}) << {24 - 8 * i})" for i in range(4)]
    return f"({' | '.join(parts)})"


_FIELDS = f"""
    encode(substr(b, o + 1, 16), 'hex')::uuid, {_integer(16)}, 1, {_integer(20)}::smallint,
    {_integer(24)}, {_integer(28)}, {_integer(32)},
    ({_integer(36)}::bigint << 32) | ({_integer(40)}::bigint & 4294967295),
    substr(b, {_integer(44)}, {_integer(48)})
"""
PACKED_SQL = f"""
{INTO}
select {_FIELDS}
from (select $1::bytea as b) as packed, generate_series(0, ($2 - 1) * {ROW.size}, {ROW.size}) as o
"""
PACKED_FUNCTION = f"""
create function take_packed(b bytea, count integer) returns void language plpgsql as $$
declare o integer := 0;
begin
    for line in 1 .. count loop
        {INTO} values ({_FIELDS});
        o := o + {ROW.size};
    end loop;
end $$
"""

Row = tuple[UUID, int, int, int, int, int, int, bytes]


def _numbers(column: Sequence[int]) -> str:
    return f"{{{','.join(map(int.__repr__, column))}}}"


def as_arrays(rows: Sequence[Row]) -> tuple[Any, ...]:
    ids, seqs, kinds, effects, nodes, digests, times, payloads = zip(*rows, strict=True)
    places: dict[UUID, int] = {}
    at = [places.setdefault(run, len(places) + 1) for run in ids]
    starts = _numbers(list(accumulate(map(len, payloads), initial=1)))
    columns = map(_numbers, (at, seqs, kinds, effects, nodes, digests, times))
    return list(places), *columns, starts, b"".join(payloads)


def as_packed(rows: Sequence[Row]) -> tuple[Any, ...]:
    pack, place, heads, payloads = ROW.pack, len(rows) * ROW.size + 1, [], []
    for run, *numbers, payload in rows:
        heads.append(pack(run.bytes, *numbers, place, len(payload)))
        payloads.append(payload)
        place += len(payload)
    return b"".join((*heads, *payloads)), len(rows)


_COPY = struct.Struct(">hi16siiiiihiiiiiiiqi")


def as_copy(rows: Sequence[Row]) -> tuple[Any, ...]:
    """The binary form of COPY."""
    parts = [b"PGCOPY\n\xff\r\n\0", bytes(8)]
    for run, seq, kind, effect, node, digest, at_ns, payload in rows:
        fixed = (4, seq, 4, 1, 2, kind, 4, effect, 4, node, 4, digest, 8, at_ns, len(payload))
        parts += (_COPY.pack(9, 16, run.bytes, *fixed), payload)
    parts.append(b"\xff\xff")
    return (b"".join(parts),)


Form = tuple[str, Callable[[Sequence[Row]], tuple[Any, ...]], Callable[..., Awaitable[object]]]


async def forms_of(connection: asyncpg.Connection[Any]) -> list[Form]:
    await connection.execute(TABLE)
    await connection.execute(PACKED_FUNCTION)
    arrays = await connection.prepare(ARRAYS)
    packed = await connection.prepare(PACKED_SQL)
    function = await connection.prepare("select take_packed($1, $2)")

    async def copy(data: bytes) -> None:
        async def source() -> Any:
            yield data

        async with connection.transaction():
            await connection.fetch("select 1 for key share")  # where the fence would be
            await connection.copy_to_table("journal_probe", source=source(), format="binary")

    return [
        ("arrays, as `flush` has them", as_arrays, arrays.fetch),
        ("one packed bytea, SQL", as_packed, packed.fetch),
        ("one packed bytea, plpgsql loop", as_packed, function.fetch),
        ("binary COPY in a transaction", as_copy, copy),
    ]


def batch_of(new_id: Callable[[], UUID]) -> list[Row]:
    runs = [new_id() for _ in range(RUNS)]
    each = ROWS // RUNS
    return [
        (run, seq, 1, seq, 3, -123456789, 1_700_000_000_000_000_000 + seq, b"12345")
        for run in runs
        for seq in range(1, each + 1)
    ]


async def measure(connection: asyncpg.Connection[Any], form: Form, new_id: Any) -> list[float]:
    _, lay_out, send = form
    backend = psutil.Process(connection.get_server_pid())
    rounds = []
    for _ in range(ROUNDS):
        batches = [batch_of(new_id) for _ in range(FLUSHES)]
        began = time.process_time()
        formed = [lay_out(batch) for batch in batches]
        between = time.process_time()
        served = sum(backend.cpu_times()[:2])
        for arguments in formed:
            await send(*arguments)
        ended = time.process_time()
        served = sum(backend.cpu_times()[:2]) - served
        rounds.append((between - began, ended - between, served))
    return [min(column) / FLUSHES / ROWS * 1e6 for column in zip(*rounds, strict=True)]


async def main() -> None:
    with bench_server() as dsn:
        connection = await asyncpg.connect(dsn, server_settings=PINNED_PLANS)
        await connection.execute("drop table if exists journal_probe")
        await connection.execute("drop function if exists take_packed")
        print(f"{'us for each row':32} {'form':>6} {'send':>6} {'server':>7}")
        seen = None
        for form in await forms_of(connection):
            figures = await measure(connection, form, RunIds())
            print(f"{form[0]:32} {figures[0]:6.2f} {figures[1]:6.2f} {figures[2]:7.2f}")
            query = "select count(*), sum(hashtext(payload::text)), sum(at_ns % 97), sum(digest)"
            now = tuple((await connection.fetch(f"{query} from journal_probe"))[0])
            assert seen in (None, now), "a path lost or changed something"
            seen = now
            await connection.execute("truncate journal_probe")
        await connection.execute("drop table journal_probe; drop function take_packed")
        await connection.close()


if __name__ == "__main__":
    asyncio.run(main())
