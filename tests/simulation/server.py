"""A database that is far away and not to be relied on.

The tables are those of the memory store, which one contract suite holds equal to
Postgres. In between lies a network: each statement takes time to arrive, to commit and
to be answered; a connection may break, after which the client does not know whether its
statement has arrived; the server may be away for a while, or slow, or refuse to write;
a statement may exceed its time. A failover may lose what was acknowledged last.
"""

from __future__ import annotations

import asyncio
import contextvars
import copy
from collections.abc import Callable, Coroutine, Mapping, Sequence
from random import Random
from typing import Any, TypeVar
from uuid import UUID

from waymark.errors import StoreUnavailable
from waymark.store.memory import MemoryDatabase, MemoryStore
from waymark.store.memory.tasks import MemoryTasks
from waymark.store.records import (
    NO_ENTRIES,
    AttemptRow,
    ClaimedRun,
    Flush,
    JournalRow,
    Message,
    NewRun,
    Park,
    RunRow,
    Sight,
    SnapshotRow,
)
from waymark.store.suspects import NONE_HELD, Held

from .loop import Domain, SimLoop, current_domain

T = TypeVar("T")

#: What a client of the network sees.
LOST = "the connection was lost (simulated)"
REFUSED = "the server is read-only (simulated)"
EXCEEDED = "the statement took too long (simulated)"

#: Statements that a server which only reads carries out.
READS = ("read", "arrived")


class Server:
    """One database for all simulated processes. Chances are per statement."""

    def __init__(self, loop: SimLoop, random: Random) -> None:
        self.loop = loop
        self.random = random
        self.database = MemoryDatabase(lambda: 1_700_000_000.0 + loop.time())
        self.stores: list[SimStore] = []
        #: Carries out what retention asks, under somebody's eyes.
        self.remove = self.database.remove_finished
        #: Told who wrote, or claimed, each time that it took effect.
        self.wrote: Callable[[UUID], None] = lambda worker: None
        self.loss = 0.0
        self.hint_loss = 0.2
        self.seconds = 0.001
        #: Chance and length of a slow commit.
        self.slow = 0.0
        self.slow_seconds = 3.0
        self.away = False
        self.read_only = False
        #: Chance that a statement exceeds its time.
        self.timeouts = 0.0
        #: Counts restarts: a connection that was made before the last is dead.
        self.incarnation = 0
        self.count = 0
        self._context = contextvars.copy_context()
        #: Statements that have not met their end.
        self.pending: set[Statement] = set()

    def stop(self) -> None:
        """Restart begins: what is under way is broken off, on either side of its commit."""
        self.away = True
        self.database.silent.clear()
        for store in self.stores:
            store.session = None  # What the next server finds says nothing of its locks.
        self.incarnation += 1
        for statement in sorted(self.pending, key=lambda statement: statement.number):
            if self.random.random() < 0.5:
                statement.arrive()
            statement.cancelled = True  # What has not arrived by now never will.
            statement.break_off()

    def begin(self) -> None:
        self.away = False

    def heal(self) -> None:
        """No more faults."""
        self.away, self.loss, self.slow, self.hint_loss = False, 0.0, 0.0, 0.0
        self.read_only, self.timeouts = False, 0.0

    def grow_old(self, seconds: float) -> None:
        """All that ended did so that much earlier: waiting for it would show nothing new."""
        for run in self.database.runs.values():
            if run.finished_at is not None:
                run.finished_at -= seconds

    def remember(self) -> dict[str, Any]:
        """A copy of all tables, as a standby that lags behind has it."""
        here = ("now", "stores", "workers")
        tables = {name: table for name, table in vars(self.database).items() if name not in here}
        return {"workers": dict(self.database.workers), **copy.deepcopy(tables)}

    def fall_back(self, tables: dict[str, Any]) -> None:
        """What was committed since then is lost, and so is what is under way."""
        for statement in self.pending:
            statement.cancelled = True
        self.stop()
        workers = tables.pop("workers")
        for worker in [*self.database.workers]:
            if worker not in workers:
                del self.database.workers[worker]
        for worker, until in workers.items():
            self.database.workers[worker] = until
        for name, table in tables.items():
            setattr(self.database, name, table)
        self.database.silent.clear()

    def later(self, seconds: float, call: Callable[[], None]) -> None:
        """On the server's side, whatever becomes of the client."""
        self.loop.call_later(seconds, call, context=self._context)

    def delay(self) -> float:
        if self.random.random() < self.slow:
            return self.random.uniform(0.1, self.slow_seconds)
        return self.seconds * self.random.uniform(0.2, 2.0)

    def hint(self, sender: SimStore, topic: str) -> None:
        for store in self.stores:
            if store is not sender and self.random.random() >= self.hint_loss:
                self.loop.call_later(self.delay(), store.notice, topic, context=store.app.context)


class Statement:
    """One statement on its way: sent, applied, answered, or lost on either way."""

    def __init__(self, store: SimStore, apply: Callable[[], Any], kind: str) -> None:
        server = store.server
        self.server = server
        self.kind = kind
        self.number = server.count
        server.count += 1
        self.answer: asyncio.Future[Any] = server.loop.create_future()
        self.apply = apply
        self.result: Any = None
        self.error: BaseException | None = None
        self.applied = False
        self.cancelled = False
        self.broken = False
        server.pending.add(self)
        random = server.random
        arrives = server.delay()
        if server.away:
            server.later(arrives, self.lose)
            return
        server.later(arrives, self.arrive)
        if random.random() < server.loss:
            server.later(arrives * random.uniform(0.0, 2.5), self.break_off)

    def arrive(self) -> None:
        if self.cancelled or self.applied:
            return
        self.applied = True
        try:
            self.result = self._apply()
        except Exception as error:
            self.error = error
        self.server.later(self.server.delay(), self.reply)

    def _apply(self) -> Any:
        if self.server.read_only and self.kind not in READS:
            raise StoreUnavailable(REFUSED)
        if self.server.timeouts and self.server.random.random() < self.server.timeouts:
            raise StoreUnavailable(EXCEEDED)
        return self.apply()

    def reply(self) -> None:
        self.server.pending.discard(self)
        if self.broken or self.answer.done():
            return
        if self.error is not None:
            self.answer.set_exception(self.error)
        else:
            self.answer.set_result(self.result)

    def break_off(self) -> None:
        """The connection is gone: the client is told, and what has not arrived may
        still arrive, or never."""
        if self.broken:
            return
        self.broken = True
        if not self.applied and self.server.random.random() < 0.5:
            self.cancelled = True
        self.lose()

    def lose(self) -> None:
        if self.applied or self.cancelled or self.server.away:
            self.server.pending.discard(self)
        if not self.answer.done():
            self.answer.set_exception(StoreUnavailable(LOST))
            self.answer.exception()

    def abandon(self) -> None:
        """Whoever asked what has arrived made sure that nothing else will."""
        if not self.applied:
            self.cancelled = True
        self.server.pending.discard(self)


def drive(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that only gives way."""
    while True:
        try:
            coroutine.send(None)
        except StopIteration as stop:
            result: T = stop.value
            return result


class SimTasks:
    """`Store.tasks`, over the network: every method is one statement."""

    def __init__(self, ask: Callable[..., Coroutine[Any, Any, Any]], inner: MemoryTasks) -> None:
        self._ask = ask
        self._inner = inner

    def __getattr__(self, name: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        method = getattr(self._inner, name)

        async def over_the_network(*arguments: Any) -> Any:
            return await self._ask(f"tasks {name}", lambda: method(*arguments))

        return over_the_network


class SimStore:
    """One process's view of the server: `Store`, over the network."""

    label = "simulated://"

    def __init__(self, server: Server, app: Domain) -> None:
        self.server = server
        self.app = app
        self.lanes = 2
        self._inner = MemoryStore(server.database)
        self.tasks = SimTasks(self._ask, self._inner.tasks)
        self._notice: Callable[[str], None] | None = None
        self._doubtful: list[ClaimedRun] = []
        self._flushes: list[Statement] = []
        self._claim: Statement | None = None
        self._claim_before: Statement | None = None
        #: The heartbeat's session: the worker whose lock it holds, what tells the client
        #: of its end, and where.
        self.session: tuple[UUID, Callable[[], None], Domain] | None = None
        #: Under which incarnation of the server each connection was made: those of the
        #: lanes, that of the heartbeat, and one for all else.
        self._connected: dict[str, int] = {}

    def _connect(self, connection: str) -> None:
        """A connection that was made before a restart is found dead by its next user."""
        incarnation = self.server.incarnation
        if self._connected.pop(connection, incarnation) != incarnation:
            raise StoreUnavailable(LOST)
        self._connected[connection] = incarnation

    async def _ask(self, kind: str, coroutine: Callable[[], Coroutine[Any, Any, T]]) -> T:
        if kind != "flush":
            self._connect("heartbeat" if kind == "beat" else "pool")
        statement = Statement(self, lambda: drive(coroutine()), kind)
        if kind == "flush":
            self._flushes = [one for one in self._flushes if one in self.server.pending]
            self._flushes.append(statement)
        if kind == "claim":
            self._claim, self._claim_before = statement, self._claim
        result: T = await statement.answer
        return result

    async def open(self) -> None:
        self.server.stores.append(self)

    async def close(self) -> None:
        if self in self.server.stores:
            self.server.stores.remove(self)

    async def put_graph(self, hash: bytes, workflow: str, document: str) -> None:
        await self._ask("graph", lambda: self._inner.put_graph(hash, workflow, document))

    async def get_graph(self, hash: bytes) -> str | None:
        return await self._ask("graph", lambda: self._inner.get_graph(hash))

    async def register_worker(self, worker: UUID, lease_seconds: float, about: str) -> int:
        return await self._ask(
            "worker", lambda: self._inner.register_worker(worker, lease_seconds, about)
        )

    async def beat(
        self, worker: UUID, lease_seconds: float, broken: Callable[[], None] | None = None
    ) -> bool:
        domain = current_domain()
        assert domain is not None
        assert broken is not None

        async def apply() -> bool:
            if not domain.dead:
                self.session = (worker, broken, domain)
                self.server.database.silent.discard(worker)
            return await self._inner.beat(worker, lease_seconds)

        return await self._ask("beat", apply)

    def end_session(self) -> None:
        """The heartbeat's connection is gone: with it the lock, and a client that lives
        is told."""
        session, self.session = self.session, None
        if session is not None:
            worker, broken, domain = session
            self.server.database.silent.add(worker)
            self.server.loop.call_later(self.server.delay(), broken, context=domain.context)

    async def remove_worker(self, worker: UUID) -> None:
        await self._ask("worker", lambda: self._inner.remove_worker(worker))

    async def reap_workers(self, proven_dead: Sequence[UUID] = ()) -> list[UUID]:
        return await self._ask("reap", lambda: self._inner.reap_workers(proven_dead))

    async def flush(self, lane: int, batch: Flush) -> frozenset[UUID]:
        async def apply() -> frozenset[UUID]:
            refused = await self._inner.flush(lane, batch)
            self.server.wrote(batch.worker)
            return refused

        self._connect(f"lane {lane}")
        return await self._ask("flush", apply)

    async def park(self, lane: int, worker: UUID, parks: Sequence[Park]) -> frozenset[UUID]:
        async def apply() -> frozenset[UUID]:
            parked = await self._inner.park(lane, worker, parks)
            self.server.wrote(worker)
            return parked

        return await self._ask("flush", apply)

    async def arrived(self, runs: Sequence[UUID]) -> dict[UUID, tuple[int, int, int, UUID | None]]:
        flushes, self._flushes = self._flushes, []

        async def settle() -> dict[UUID, tuple[int, int, int, UUID | None]]:
            for statement in flushes:
                if statement.broken:
                    statement.abandon()
            return await self._inner.arrived(runs)

        try:
            return await self._ask("arrived", settle)
        except StoreUnavailable:
            self._flushes = [*flushes, *self._flushes]
            raise

    async def submit(self, run: NewRun) -> bool:
        return await self._ask("submit", lambda: self._inner.submit(run))

    async def claim(
        self,
        worker: UUID,
        graphs: Sequence[bytes],
        queues: Sequence[str],
        limit: int,
        now_ns: int = 0,
        suspects: Held = NONE_HELD,
        ahead_seconds: float = 0.0,
        resting: Sequence[UUID] = (),
    ) -> list[ClaimedRun]:
        """What was claimed and not answered is known to the client before it commits,
        so the next call brings it, also where it commits late."""

        async def apply() -> list[ClaimedRun]:
            before = self._claim_before
            if before is not None and before.broken:
                before.arrive()  # It is waited for until it is decided.
            runs = self.server.database.runs
            held = [
                claimed
                for claimed in self._doubtful
                if (run := runs.get(claimed.id)) is not None
                and (run.owner, run.epoch) == (worker, claimed.epoch)
            ]
            more = limit - len(held)
            if more > 0:
                held += await self._inner.claim(
                    worker, graphs, queues, more, now_ns, suspects, ahead_seconds, resting
                )
                self.server.wrote(worker)
            self._doubtful = held
            return held

        claimed = await self._ask("claim", apply)
        self._doubtful = []
        return claimed

    async def look(self, worker: UUID, queues: Sequence[str], ahead_seconds: float = 0.0) -> Sight:
        return await self._ask("look", lambda: self._inner.look(worker, queues, ahead_seconds))

    async def set_blocked(self, graph: bytes, reason: str) -> None:
        await self._ask("graph", lambda: self._inner.set_blocked(graph, reason))

    async def owned_runs(self, worker: UUID) -> list[UUID]:
        return await self._ask("read", lambda: self._inner.owned_runs(worker))

    async def free_runs(self, worker: UUID, runs: Sequence[UUID]) -> None:
        await self._ask("free", lambda: self._inner.free_runs(worker, runs))

    async def read_journal(
        self, runs: Sequence[UUID], after: Mapping[UUID, int] = NO_ENTRIES
    ) -> dict[UUID, list[JournalRow]]:
        return await self._ask("read", lambda: self._inner.read_journal(runs, after))

    async def put_snapshot(self, worker: UUID, snapshot: SnapshotRow) -> bool:
        return await self._ask("snapshot", lambda: self._inner.put_snapshot(worker, snapshot))

    async def read_snapshots(self, runs: Sequence[UUID]) -> dict[UUID, SnapshotRow]:
        return await self._ask("snapshot", lambda: self._inner.read_snapshots(runs))

    async def forget_snapshots(self, runs: Sequence[UUID]) -> None:
        await self._ask("snapshot", lambda: self._inner.forget_snapshots(runs))

    async def read_runs(self, runs: Sequence[UUID]) -> dict[UUID, RunRow]:
        return await self._ask("read", lambda: self._inner.read_runs(runs))

    async def write_attempts(self, worker: UUID, rows: Sequence[AttemptRow]) -> None:
        await self._ask("attempts", lambda: self._inner.write_attempts(worker, rows))

    async def read_attempts(self, runs: Sequence[UUID]) -> list[AttemptRow]:
        return await self._ask("read", lambda: self._inner.read_attempts(runs))

    async def forget_attempts(self, calls: Sequence[tuple[UUID, int | None]]) -> None:
        await self._ask("attempts", lambda: self._inner.forget_attempts(calls))

    async def send(self, messages: Sequence[Message]) -> None:
        await self._ask("inbox", lambda: self._inner.send(messages))

    async def read_inbox(self, worker: UUID) -> list[tuple[Message, bool]]:
        return await self._ask("inbox", lambda: self._inner.read_inbox(worker))

    async def forget_messages(self, messages: Sequence[Message]) -> None:
        await self._ask("inbox", lambda: self._inner.forget_messages(messages))

    async def remove_finished(
        self, seconds: float, runs_max: int, entries_max: int
    ) -> tuple[int, int]:

        async def apply() -> tuple[int, int]:
            return self.server.remove(seconds, runs_max, entries_max)

        return await self._ask("remove", apply)

    async def remove_unheard(self, seconds: float) -> None:
        await self._ask("remove", lambda: self._inner.remove_unheard(seconds))

    def listen(self, notice: Callable[[str], None]) -> None:
        self._notice = notice

    def notice(self, topic: str) -> None:
        if self._notice is not None:
            self._notice(topic)

    def hint(self, topic: str) -> None:
        self.server.hint(self, topic)
