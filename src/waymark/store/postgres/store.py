"""The store over PostgreSQL. See `store.protocol` for what it promises, `lane` for
the writer's connections, `connecting` for how many connections there are."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any
from uuid import UUID

from waymark.errors import Fenced, StoreUnavailable
from waymark.store.packing import Packer, chosen_packer
from waymark.store.reasons import readable_reason
from waymark.store.records import (
    BLOCKED_MAX,
    NO_ENTRIES,
    AttemptRow,
    ClaimedRun,
    Flush,
    JournalRow,
    Message,
    NewRun,
    Park,
    RunRow,
    SeenWorker,
    Sight,
    SnapshotRow,
)
from waymark.store.suspects import CRASHES_MAX, NONE_HELD, Held

from .address import parse_address
from .connecting import CLOSE_SECONDS, Connector, close_quietly
from .failures import FAILURES, Course, translate
from .heartbeat import Heartbeat
from .hints import Hints
from .lane import Lane
from .migration import Migration, ensure_schema, shipped_migrations
from .statements import Statements
from .tasks import PostgresTasks

if TYPE_CHECKING:
    import asyncpg
    from asyncpg.pool import PoolConnectionProxy


class PostgresStore:
    """`url` is a PostgreSQL URL. `lanes` connections write. `migrate` False only
    checks the schema. `pooler` True keeps to what PgBouncer can pass on; else `open` finds out.
    `packer` lays out integers, None what is chosen for this process."""

    def __init__(
        self,
        url: str,
        *,
        schema: str = "waymark",
        lanes: int = 2,
        connect_timeout_seconds: float = 10.0,
        migrate: bool = True,
        pooler: bool = False,
        packer: Packer | None = None,
    ) -> None:
        self.lanes = lanes
        self._address = parse_address(url)
        self.label = self._address.label
        self._statements = Statements(schema)
        self._migrate = migrate
        self._connector = Connector(self._address, connect_timeout_seconds, pooler=pooler)
        texts = (packer or chosen_packer()).texts
        self._lanes = [
            Lane(index, self._connector, self._statements, texts) for index in range(lanes)
        ]
        self._heartbeat = Heartbeat(self._connector, self._statements)
        self._hints = Hints(self._connector, self._statements, lambda: self._pool)
        self.tasks = PostgresTasks(self._fetch)
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._doubtful_claims: list[ClaimedRun] = []
        self._explained: dict[bytes, str] = {}
        #: What `open` applied, for whoever wants to say so.
        self.applied: list[Migration] = []

    def __repr__(self) -> str:
        return f"PostgresStore({self.label}, schema={self._statements.schema!r})"

    async def open(self) -> None:
        connection = await self._connector.first_connection(self._statements["server_process"])
        try:
            self.applied = await ensure_schema(
                connection, self._statements, shipped_migrations(), migrate=self._migrate
            )
        except FAILURES as error:
            raise translate(error) from error
        finally:
            await close_quietly(connection)
        self._pool = await self._connector.create_pool()

    async def close(self) -> None:
        await self._hints.close()
        for lane in self._lanes:
            await lane.close()
        pool, self._pool = self._pool, None
        if pool is not None:
            await close_quietly(pool)

    # Graphs and workers

    async def put_graph(self, hash: bytes, workflow: str, document: str) -> None:
        await self._fetch("put_graph", hash, workflow, document)

    async def get_graph(self, hash: bytes) -> str | None:
        rows = await self._fetch("get_graph", hash)
        return rows[0]["document"] if rows else None

    async def register_worker(self, worker: UUID, lease_seconds: float, about: str) -> int:
        rows = await self._fetch("register_worker", worker, lease_seconds, about)
        return int(rows[0]["clock_us"]) * 1000

    async def beat(
        self, worker: UUID, lease_seconds: float, broken: Callable[[], None] | None = None
    ) -> bool:
        return await self._heartbeat.beat(worker, lease_seconds, broken)

    async def remove_worker(self, worker: UUID) -> None:
        await self._fetch("remove_worker", worker)

    async def reap_workers(self, proven_dead: Sequence[UUID] = ()) -> list[UUID]:
        rows = await self._fetch("reap_workers", list(proven_dead))
        return [row["id"] for row in rows]

    # Writing runs

    async def flush(self, lane: int, batch: Flush) -> frozenset[UUID]:
        return await self._lanes[lane].flush(batch)

    async def park(self, lane: int, worker: UUID, parks: Sequence[Park]) -> frozenset[UUID]:
        return await self._lanes[lane].park(worker, parks)

    async def arrived(self, runs: Sequence[UUID]) -> dict[UUID, tuple[int, int, int, UUID | None]]:
        for lane in self._lanes:
            await lane.settle_loss()
        rows = await self._fetch("arrived", list(runs))
        return {row["id"]: (row["seq"], row["state"], row["epoch"], row["owner"]) for row in rows}

    async def submit(self, run: NewRun) -> bool:
        return bool(await self._fetch("submit", *run))

    # Finding runs

    async def claim(
        self,
        worker: UUID,
        graphs: Sequence[bytes],
        queues: Sequence[str],
        limit: int,
        now_ns: int = 0,
        held: Held = NONE_HELD,
        ahead_seconds: float = 0.0,
        resting: Sequence[UUID] = (),
    ) -> list[ClaimedRun]:
        """See `Store.claim`. What is claimed is known here before it is committed:
        when the commit is lost on the way, the next call finds out what holds of
        it, so that no run stays owned by a worker that does not know it."""
        async with self._connected() as connection:
            doubtful = await self._held_claims(connection, worker)
            if not graphs or not queues or limit <= len(doubtful):
                self._doubtful_claims = []
                return doubtful
            async with connection.transaction(isolation="read_committed"):
                if self._connector.pooler:
                    timeout = self._connector.idle_transaction_milliseconds
                    await connection.execute(self._statements["limit_idleness"], timeout)
                rows = await connection.fetch(
                    self._statements["claim"],
                    worker,
                    list(graphs),
                    list(queues),
                    limit - len(doubtful),
                    now_ns,
                    *held,
                    CRASHES_MAX,
                    ahead_seconds,
                    list(resting),
                )
                if not rows:
                    raise Fenced(f"worker {worker} was declared dead; it may claim nothing")
                claimed = [ClaimedRun(*row) for row in rows if row["id"] is not None]
                self._doubtful_claims = [*doubtful, *claimed]
            self._doubtful_claims = []
            return doubtful + claimed

    async def _held_claims(
        self, connection: PoolConnectionProxy[asyncpg.Record], worker: UUID
    ) -> list[ClaimedRun]:
        """Claims of a call that lost its connection while it committed."""
        doubtful = self._doubtful_claims
        if not doubtful:
            return []
        rows = await connection.fetch(
            self._statements["still_claimed"],
            worker,
            [run.id for run in doubtful],
            [run.epoch for run in doubtful],
        )
        held = {row["id"] for row in rows}
        return [run for run in doubtful if run.id in held]

    async def look(self, worker: UUID, queues: Sequence[str], ahead_seconds: float = 0.0) -> Sight:
        (row,) = await self._fetch("look", worker, list(queues), ahead_seconds)
        workers = zip(row["workers"], row["expired"], row["silent"], strict=True)
        seen = [SeenWorker(*worker) for worker in workers]
        return Sight(row["clock_us"] * 1000, seen, row["mail"], row["graphs"])

    async def set_blocked(self, graph: bytes, reason: str) -> None:
        """See `Store.set_blocked`. The sweep repeats this every second; what was said
        of all runs of a graph before is only said of those that came since."""
        reason = readable_reason(reason)
        anew = self._explained.get(graph) != reason
        told = await self._fetch("set_blocked", graph, reason, anew, BLOCKED_MAX)
        if len(told) < BLOCKED_MAX:
            self._explained[graph] = reason

    async def owned_runs(self, worker: UUID) -> list[UUID]:
        return [row["id"] for row in await self._fetch("owned_runs", worker)]

    async def free_runs(self, worker: UUID, runs: Sequence[UUID]) -> None:
        await self._fetch("free_runs", worker, list(runs))

    async def read_journal(
        self, runs: Sequence[UUID], after: Mapping[UUID, int] = NO_ENTRIES
    ) -> dict[UUID, list[JournalRow]]:
        found: dict[UUID, list[JournalRow]] = {}
        wanted = {run_id: after.get(run_id, 0) for run_id in runs}
        for row in await self._fetch("read_journal", list(wanted), list(wanted.values())):
            entry = JournalRow(*row)
            found.setdefault(entry.run_id, []).append(entry)
        return found

    async def put_snapshot(self, worker: UUID, snapshot: SnapshotRow) -> bool:
        run_id, seq, epoch, *rest = snapshot
        return bool(await self._fetch("put_snapshot", worker, run_id, seq, epoch, *rest))

    async def read_snapshots(self, runs: Sequence[UUID]) -> dict[UUID, SnapshotRow]:
        rows = [SnapshotRow(*row) for row in await self._fetch("read_snapshots", list(runs))]
        return {row.run_id: row for row in rows}

    async def forget_snapshots(self, runs: Sequence[UUID]) -> None:
        await self._fetch("forget_snapshots", list(runs))

    async def read_runs(self, runs: Sequence[UUID]) -> dict[UUID, RunRow]:
        rows = [RunRow(*row) for row in await self._fetch("read_runs", list(runs))]
        return {row.id: row for row in rows}

    # Reports of attempts

    async def write_attempts(self, worker: UUID, rows: Sequence[AttemptRow]) -> None:
        if rows:
            await self._fetch("write_attempts", worker, *map(list, zip(*rows, strict=True)))

    async def read_attempts(self, runs: Sequence[UUID]) -> list[AttemptRow]:
        return [AttemptRow(*row) for row in await self._fetch("read_attempts", list(runs))]

    async def forget_attempts(self, calls: Sequence[tuple[UUID, int | None]]) -> None:
        if calls:
            await self._fetch("forget_attempts", *map(list, zip(*calls, strict=True)))

    # Messages

    async def send(self, messages: Sequence[Message]) -> None:
        if messages:
            await self._fetch("send", *map(list, zip(*messages, strict=True)))

    async def read_inbox(self, worker: UUID) -> list[tuple[Message, bool]]:
        rows = await self._fetch("read_inbox", worker)
        return [(Message(*row[:5]), row["ended"]) for row in rows]

    async def forget_messages(self, messages: Sequence[Message]) -> None:
        if messages:
            ids = [message.run_id for message in messages]
            await self._fetch("forget_messages", ids, [message.key for message in messages])

    # Retention

    async def remove_finished(
        self, seconds: float, runs_max: int, entries_max: int
    ) -> tuple[int, int]:
        schema = self._statements.schema
        (row,) = await self._fetch("remove_finished", seconds, runs_max, entries_max, schema)
        return row["runs"], row["entries"]

    async def remove_unheard(self, seconds: float) -> None:
        await self._fetch("remove_unheard", seconds)

    # Hints

    def listen(self, notice: Callable[[str], None]) -> None:
        self._hints.listen(notice)

    def hint(self, topic: str) -> None:
        self._hints.hint(topic)

    # Connections

    async def _fetch(self, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        async with self._connected() as connection:
            return await connection.fetch(self._statements[statement], *arguments)

    @asynccontextmanager
    async def _connected(self) -> AsyncGenerator[PoolConnectionProxy[asyncpg.Record]]:
        """A connection of the pool; its failures come out as the store's own."""
        pool = self._pool
        if pool is None:
            raise StoreUnavailable(f"the store {self.label} is not open")
        course = Course()
        try:
            async with _acquired(pool) as connection:
                yield connection
        except FAILURES as error:
            cancelled = course.cancellation(error)
            if cancelled is not None:
                raise cancelled from None
            failure = translate(error)
            if isinstance(failure, StoreUnavailable):
                # The other connections are likely as dead (or lead to a standby).
                await pool.expire_connections()
            raise failure from error


@asynccontextmanager
async def _acquired(
    pool: asyncpg.Pool[asyncpg.Record],
) -> AsyncGenerator[PoolConnectionProxy[asyncpg.Record]]:
    """A connection of `pool`. One that answers nothing when it is given back is dropped, and
    what was asked of it counts all the same: else a network that swallows packets holds its
    user up as long again as the statement may take."""
    connection = await pool.acquire()
    try:
        yield connection
    finally:
        with suppress(*FAILURES):
            await pool.release(connection, timeout=CLOSE_SECONDS)
