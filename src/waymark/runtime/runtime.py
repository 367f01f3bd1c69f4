"""One running Waymark: its parts put together, its life, its end.

`serve` is the whole life, run in one task by whoever owns the runtime (`app`). Its
task group holds the writer's lanes, the sweep and the reader for waiters; attempts
are plain tasks outside of it. When anything in the group fails, the failure is
logged at once, what was in memory is given up (the database has it), and all
starts again under a new name after a pause. The host never notices.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import json
import logging
import os
import platform
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from threading import get_ident
from typing import cast
from uuid import UUID

import anyio
import anyio.abc

from ..authoring.context import reporter
from ..authoring.registry import registry
from ..errors import StoppingError, StoreUnavailable, WaymarkError, WrongLoopError
from ..settings import Settings
from .backing import Backing
from .backoff import Backoff
from .children import Children
from .client import RuntimeClient
from .clock import Clock
from .delayed import Delayed
from .drain import Drain
from .executor import Executor
from .leases import Heartbeat
from .live_run import LiveRun
from .parking import Parking
from .patience import Patience
from .programs import Programs
from .reports import Reports
from .rest import jump_when_at_rest
from .retention import Retention
from .scheduler import Scheduler
from .snapshots import Snapshots
from .surroundings import Surroundings
from .sweep import Sweep
from .tasks import share_tasks
from .threads import ActionThreads
from .unserved import say_useless
from .waiters import Waiters
from .writer import Writer

log = logging.getLogger("waymark")

#: Pauses between a failure of ours and the next start.
RESTART_SECONDS = 0.1
RESTART_SECONDS_MAX = 10.0
#: After the drain.
LEAVE_SECONDS = 2.0

#: Thresholds of `tune_gc`.
GC_THRESHOLDS = (50_000, 50, 100)


class Runtime:
    """What `waymark.start()` returns.

    `database_url` opens the same database for the app's own tables (with the
    embedded server too). Everything belongs to the loop that made it.
    """

    #: Whether the present name is registered.
    _named = False

    def __init__(
        self, backing: Backing, settings: Settings, surroundings: Surroundings | None = None
    ) -> None:
        self.settings = settings
        self.database_url = backing.database_url
        self.loop = asyncio.get_running_loop()
        self._thread = get_ident()
        #: The task that runs `serve`: once it is cancelled, attempts are interrupted.
        self.owner: asyncio.Task[object] | None = None
        self._backing = backing
        self._surroundings = surroundings = surroundings or Surroundings()
        clock = surroundings.clock
        self._worker = surroundings.new_worker()
        self._stop = asyncio.Event()
        self._stopping = False
        self._beaten_at = clock.monotonic()
        self._heartbeat: Heartbeat | None = None
        self._renaming = asyncio.Lock()
        self._group: anyio.abc.TaskGroup | None = None
        store = backing.store
        self._threads = ActionThreads(self.loop)
        self._waiters = Waiters(store, settings.poll_seconds, clock)
        self._reports = Reports(store, lambda: self._worker, clock)
        self._scheduler = scheduler = _scheduler(clock, self._waiters, self._reports)
        self._writer = Writer(store, settings, scheduler, lambda: self._worker, self.fenced, clock)
        self._executor = Executor(
            settings.concurrency,
            settings.payload_bytes_max,
            self._threads,
            scheduler.deliver,
            self._ending,
            scheduler.wake,
        )
        self._connect(scheduler)
        self._tasks = share_tasks(
            store, settings, scheduler, self._ending, lambda: self._worker, self._lost
        )
        self._programs = Programs(store)
        self._writer.restore = self._programs.store_again
        self._sweep = Sweep(
            backing,
            settings,
            scheduler,
            self._programs,
            lambda: self._worker,
            self._lost,
            self._tasks.offers.adopt,
            self._delayed,
        )
        scheduler.look = self._sweep.nudge.set
        self._retention = Retention(store, settings, clock)
        self._drain = Drain(scheduler, self._sweep, self._writer, self._waiters, self._tasks.guests)
        self._patience = Patience(
            self._writer, settings.submit_timeout_seconds, clock, scheduler.unstorable
        )
        self.client = RuntimeClient(
            store,
            settings,
            scheduler,
            self._waiters,
            self._programs,
            lambda: self._worker,
            self._check_open,
            surroundings.new_run,
            self._patience.insist,
            self._delayed,
        )
        self._children = scheduler.children = Children(
            store, scheduler, self._waiters, self._programs, self.client.prepare
        )

    def _connect(self, scheduler: Scheduler) -> None:
        """What the scheduler has to ask and to tell."""
        scheduler.writer, scheduler.executor = self._writer, self._executor
        self._executor.retry, self._executor.reports = scheduler.retry, self._reports
        scheduler.lease_holds = self._lease_holds
        scheduler.snapshots = Snapshots(
            self._backing.store, self.settings, scheduler, lambda: self._worker
        )
        scheduler.parking = Parking(scheduler, self.settings)
        self._delayed = Delayed(scheduler.clock, self._writer)
        scheduler.hint = self._backing.store.hint
        scheduler.room = self._room
        scheduler.passed_on = self._passed_on
        if scheduler.clock.virtual:
            scheduler.at_rest = lambda: jump_when_at_rest(scheduler, self._waiters)

    @property
    def worker(self) -> UUID:
        """The name that this process's writes are fenced by. It changes when the
        worker was declared dead."""
        return self._worker

    @property
    def store_label(self) -> str:
        """The database as people know it; never a password."""
        return self._backing.store.label

    def __repr__(self) -> str:
        state = "stopping" if self._stopping else "running"
        return f"<waymark.Runtime {state} on {self.store_label}>"

    # Life

    async def prepare(self, *, link: bool = True) -> None:
        """Become a worker, and compile and store every registered workflow. Raises
        WorkflowCompileError and whatever the store raises."""
        if link:
            registry.link()
            for definition in registry.workflows():
                await self._programs.ensure(definition)
            say_useless(self.settings.queues, (action.queue for action in registry.actions()))
        await self._enter(self._worker)

    async def serve(self) -> None:
        """Run until `request_stop`, then drain. Only cancellation comes out."""
        backoff = Backoff(RESTART_SECONDS, RESTART_SECONDS_MAX)
        tuned = _tune_gc() if self.settings.tune_gc else None
        self._backing.store.listen(self._notice)
        try:
            tell = tuned is None and not self._scheduler.clock.virtual
            with self._scheduler.slow_steps.watching(tell=tell):
                while not await self._serve_once():
                    self._give_up()
                    self._named = False
                    await backoff.wait()
        finally:
            self._stopping = True
            if tuned is not None:
                _restore_gc(tuned)
            with anyio.CancelScope(shield=True):
                await self._leave()

    async def _serve_once(self) -> bool:
        """True after a stop, False after a failure, which is logged."""
        try:
            async with anyio.create_task_group() as group:
                self._group = group
                self._start(self._work)
                await self._stop.wait()
                self._stopping = True
                self._retention.close()
                await self._drain.run(self.settings.drain_seconds)
                group.cancel_scope.cancel()
        except Exception as error:
            cause = unwrap(error)
            log.error("waymark failed and starts again", exc_info=cause)
            return self._stop.is_set()
        finally:
            self._group = None
        return True

    def _start(self, part: Callable[..., Awaitable[None]], *arguments: object) -> None:
        """Run a part of ours in the group."""
        if self._group is not None:
            self._group.start_soon(_running, part, *arguments)

    async def _work(self) -> None:
        """Start what serves. After a failure what the old name owns is set free first,
        and a new name taken; a stop need not wait for that."""
        worker = self._worker
        if not self._named:
            with suppress(StoreUnavailable):
                await self._backing.store.remove_worker(worker)
            await self.fenced(worker)
        for lane in self._writer.lanes:
            self._start(self._writer.serve, lane)
        if not self._scheduler.clock.virtual:
            self._start(self._patience.serve)
        self._start(self._waiters.serve)
        self._start(self._reports.serve)
        self._start(self._children.serve)
        self._start(self._scheduler.parking.serve)
        self._start(self._sweep.serve)
        self._start(self._scheduler.snapshots.serve)
        self._start(self._retention.serve)
        self._start(self._tasks.serve_offers)
        self._start(self._tasks.serve_guests)

    def request_stop(self) -> None:
        """Take no more work and begin to drain."""
        self._stopping = True
        self._stop.set()

    async def discard(self) -> None:
        """End a runtime that never served."""
        self._stopping = True
        with anyio.CancelScope(shield=True):
            await self._leave()

    # The worker's name

    async def _enter(self, worker: UUID) -> None:
        """Register the worker, and bear its name from then on."""
        server, lease_seconds = self._backing.server, self.settings.lease_seconds
        if server is not None:
            server.lock_worker(worker)
        sent_at = self._surroundings.clock.monotonic()
        try:
            about = _about(self.settings.queues)
            now_ns = await self._backing.store.register_worker(worker, lease_seconds, about)
        except BaseException:
            if server is not None:
                server.unlock_worker(worker)
            raise
        clock = self._surroundings.clock
        clock.agree(now_ns, sent_at, clock.monotonic())
        self._worker = worker
        self._beaten_at = sent_at
        self._named = True
        if self._scheduler.clock.virtual:
            return  # Nobody else is there to declare us dead.
        self._heartbeat = Heartbeat(
            self._backing.store,
            worker,
            lease_seconds,
            self._confirmed,
            self._lost,
            self._surroundings.clock,
            self._surroundings.aside,
        )
        self._heartbeat.start()

    async def fenced(self, worker: UUID) -> None:
        """`worker` is dead to the store: what it owned is given up, submissions that
        never arrived stay ours, and a new name is taken. Until that is registered the
        dead one stands, so that whatever is written meanwhile is refused and comes here."""
        async with self._renaming:
            if worker != self._worker:
                return
            log.warning("worker %s is dead to the database; this process begins anew", worker)
            self._give_up()
            self._retire(worker)
            name = self._surroundings.new_worker()
            backoff = Backoff(0.05, 1.0)
            while True:
                try:
                    await self._enter(name)
                    break
                except StoreUnavailable as error:
                    log.warning("cannot register with the database: %s", error)
                    await self._backing.revive()
                    await backoff.wait()
            # Some were stored under the dead name after all, and confirmed meanwhile.
            self._give_up()
            self._scheduler.wake()
            self._sweep.nudge.set()

    def _give_up(self) -> None:
        self._tasks.give_up()
        for run in list(self._scheduler.runs.values()):
            if run.stored:
                self._scheduler.forget(run)

    def _retire(self, worker: UUID) -> None:
        if self._heartbeat is not None:
            self._heartbeat.stop()
            self._heartbeat = None
        if self._backing.server is not None:
            self._backing.server.unlock_worker(worker)

    def _lost(self, worker: UUID) -> None:
        self._start(self.fenced, worker)

    def _confirmed(self, sent_at: float) -> None:
        held = self._lease_holds()
        self._beaten_at = max(self._beaten_at, sent_at)
        if not held:
            self._scheduler.wake()

    def _lease_holds(self) -> bool:
        if self._scheduler.clock.virtual:
            return True
        confirmed_at = max(self._beaten_at, self._writer.confirmed_at)
        now = self._surroundings.clock.monotonic()
        return now - confirmed_at < self.settings.lease_seconds

    # Ending

    def _ending(self) -> bool:
        """Whether a cancelled attempt was interrupted by the end of this runtime."""
        return self._stopping or (self.owner is not None and self.owner.cancelling() > 0)

    async def _leave(self) -> None:
        """Tell those who wait, take our name off the list, close the store."""
        self._scheduler.draining = True
        for run in list(self._scheduler.runs.values()):
            run.closed = True
            self._executor.cancel_all(run)
        self._fail_waiters()
        self._scheduler.timers.close()
        self._delayed.close()
        self._tasks.offers.overflow.close()
        self._threads.close()
        with anyio.move_on_after(LEAVE_SECONDS):
            try:
                await self._backing.store.remove_worker(self._worker)
            except Exception as error:  # noqa: BLE001  # stop() always ends
                log.warning("the worker's row could not be removed, its lease will end: %s", error)
        self._retire(self._worker)
        await self._backing.close()

    def _fail_waiters(self) -> None:
        for change in self._writer.withdraw():
            if change.new is not None:
                change.run.fail(
                    StoppingError("Waymark was stopped; nothing of this submission was stored")
                )
        for run in dict.fromkeys(change.run for change in self._writer.in_doubt()):
            run.fail(_stopped(run))
        for run in list(self._scheduler.runs.values()):
            run.fail(_stopped(run))
        self._waiters.fail_all(
            StoppingError("Waymark was stopped in this process; the run goes on elsewhere")
        )

    # Seams

    def _check_open(self) -> None:
        if self._stopping:
            raise StoppingError(
                "Waymark is stopping in this process and takes no more work; submit elsewhere, or"
                " after the next start()"
            )
        # Cheaper than asking for the running loop, which costs a system call.
        if get_ident() != self._thread or not self.loop.is_running():
            raise WrongLoopError(
                "Waymark was started in another event loop; submit and wait in that loop (from a"
                " thread: asyncio.run_coroutine_threadsafe)"
            )

    def _notice(self, topic: str) -> None:
        if topic in ("runs", "inbox"):
            self._sweep.nudge.set()
        elif topic in ("tasks", "outcomes"):
            self._tasks.notice(topic)
        else:
            self._waiters.look()

    def _passed_on(self) -> None:
        """A submission of ours is free for any worker; that may be us."""
        self._sweep.more = True
        if self._scheduler.held < self.settings.resident_runs_max:
            self._sweep.nudge.set()

    def _room(self) -> None:
        if self._sweep.more:
            self._sweep.more = False
            self._sweep.nudge.set()


async def _running(part: Callable[..., Awaitable[None]], *arguments: object) -> None:
    """A part of the group. A cancellation that nobody asked for is a failure: the group would
    take it for its own, and end without a word."""
    try:
        await part(*arguments)
    except asyncio.CancelledError as stray:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise RuntimeError("cancelled, though nobody asked for it") from stray


def unwrap(error: BaseException) -> BaseException:
    """The error inside groups that hold only one."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return unwrap(group.exceptions[0]) if len(group.exceptions) == 1 else group
    return error


def _stopped(run: LiveRun) -> WaymarkError:
    if run.stored:
        return StoppingError(f"Waymark was stopped in this process; run {run.id} goes on elsewhere")
    return StoreUnavailable(
        f"Waymark was stopped while run {run.id} was being stored; whether it was is not known"
    )


def _scheduler(clock: Clock, waiters: Waiters, reports: Reports) -> Scheduler:
    """Attempts find the reports through the context that the scheduler keeps."""
    context = contextvars.copy_context()
    context.run(reporter.set, reports)
    scheduler = context.run(Scheduler, clock, waiters)
    reports.runs = scheduler.runs
    return scheduler


def _about(queues: Sequence[str]) -> str:
    return json.dumps(
        {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "python": platform.python_version(),
            "queues": list(queues),
        }
    )


def _tune_gc() -> tuple[int, int, int]:
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    return before


def _restore_gc(before: tuple[int, int, int]) -> None:
    gc.set_threshold(*before)
    gc.unfreeze()
