"""What workflows and handles ask of a runtime: submit, wait, look."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, cast
from uuid import UUID

from ..authoring.handle import Begun, RunStatus
from ..authoring.options import NO_OPTIONS, RunOptions
from ..authoring.registry import registry
from ..authoring.workflow import WorkflowDefinition
from ..engine.outcomes import UNREAD, maker
from ..engine.program import Program
from ..errors import RunCancelled, RunFailed, RunNotFound, RunQuarantined
from ..settings import Settings
from ..store.protocol import Store
from ..store.records import NewRun, RunState
from ..values import RecordedArguments, load_exception, plan_for, recorded_traceback
from .delayed import Delayed
from .executor import too_large
from .live_run import Ending, LiveRun
from .programs import Programs
from .requests import Requests
from .scheduler import Scheduler
from .waiters import Waiters, state_name

READY, RUNNING, WAITING = RunState.READY, RunState.RUNNING, RunState.WAITING

_new_run = maker(NewRun)

#: Of a group of exceptions so many tell where they were raised.
MEMBERS_SAID = 5

#: The only queue so far; options of a submission will name others.
DEFAULT_QUEUE = "default"


class RuntimeClient:
    """The `authoring.handle.Client` of one runtime. `check` raises when it takes
    nothing any more; `worker` names the owner of new runs; `insist` tries what needs the
    store for as long as a submission may wait."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        scheduler: Scheduler,
        waiters: Waiters,
        programs: Programs,
        worker: Callable[[], UUID],
        check: Callable[[], None],
        new_id: Callable[[], UUID],
        insist: Callable[[Callable[[], Awaitable[Program]]], Awaitable[Program]],
        delayed: Delayed,
    ) -> None:
        self._store = store
        self._settings = settings
        self._scheduler = scheduler
        self._waiters = waiters
        self._programs = programs
        self._worker = worker
        self._check = check
        self._new_id = new_id
        self._insist = insist
        self._delayed = delayed
        self._requests = Requests(store, settings.payload_bytes_max, new_id, self._asked)
        self._loop = asyncio.get_running_loop()
        self._executes = DEFAULT_QUEUE in settings.queues

    async def submit(
        self,
        definition: WorkflowDefinition,
        arguments: RecordedArguments,
        options: RunOptions = NO_OPTIONS,
    ) -> UUID:
        self._check()
        program = self._programs.find(definition) or await self._ensure(definition)
        run, new = self.prepare(definition, program, arguments[0], self._new_id(), options)
        accepted = run.accepted = self._loop.create_future()
        self._scheduler.submit(run, new, arguments[1])
        if new.began_ns and run.session is None:
            self._hold(run, new, program)
        await accepted
        return UUID(bytes=run.id.bytes)  # Python's own, see `FastUUID`

    def begin(
        self,
        definition: WorkflowDefinition,
        arguments: RecordedArguments,
        options: RunOptions = NO_OPTIONS,
    ) -> Begun | None:
        self._check()
        program = self._programs.find(definition)
        if program is None:
            return None
        return self._begin_now(definition, program, arguments, options)

    async def begin_later(
        self,
        definition: WorkflowDefinition,
        arguments: RecordedArguments,
        options: RunOptions = NO_OPTIONS,
    ) -> Begun:
        self._check()
        program = await self._ensure(definition)
        return self._begin_now(definition, program, arguments, options)

    def _begin_now(
        self,
        definition: WorkflowDefinition,
        program: Program,
        arguments: RecordedArguments,
        options: RunOptions,
    ) -> Begun:
        run, new = self.prepare(definition, program, arguments[0], self._new_id(), options)
        ended = run.caller = self._loop.create_future()
        self._scheduler.submit(run, new, arguments[1])
        if new.began_ns and run.session is None:
            self._hold(run, new, program)
        return run.id, ended

    def decode(self, ending: Ending, run_id: UUID, definition: WorkflowDefinition) -> Any:
        return decode(ending, run_id, definition)

    async def result(
        self, run_id: UUID, definition: WorkflowDefinition | None, timeout: float | None
    ) -> Any:
        self._check()
        run = self._scheduler.runs.get(run_id)
        ended = self._waiters.wait(run_id) if run is None else run.wait(self._loop)
        self._scheduler.wake()
        if timeout is None:
            return decode(await ended, run_id, definition)
        try:
            ending = await asyncio.wait_for(ended, timeout)
        except TimeoutError:
            raise TimeoutError(
                f"run {run_id} has not ended after {timeout:g} seconds; it goes on"
            ) from None
        return decode(ending, run_id, definition)

    async def status(self, run_id: UUID) -> RunStatus:
        self._check()
        row = (await self._store.read_runs([run_id])).get(run_id)
        if row is None:
            raise RunNotFound(run_id)
        state = state_name(row.state)
        return RunStatus(row.id, row.workflow, state, row.submitted_at, row.finished_at, row.reason)

    async def send(self, run_id: UUID, name: str, payload: Any, key: str | None) -> None:
        self._check()
        await self._requests.event(run_id, name, payload, key)

    async def cancel(self, run_id: UUID) -> None:
        self._check()
        await self._requests.cancellation(run_id)

    def _asked(self) -> None:
        """A run has a message: its owner is to look, be it us or another."""
        self._scheduler.hint("inbox")
        self._scheduler.look()
        self._scheduler.wake()

    async def _ensure(self, definition: WorkflowDefinition) -> Program:
        program = await self._insist(partial(self._programs.ensure, definition))
        self._check()
        return program

    def prepare(
        self,
        definition: WorkflowDefinition,
        program: Program,
        arguments: bytes,
        run_id: UUID,
        options: RunOptions = NO_OPTIONS,
    ) -> tuple[LiveRun, NewRun]:
        """A run and its row. Nothing is stored yet."""
        settings, scheduler = self._settings, self._scheduler
        if len(arguments) > settings.payload_bytes_max:
            raise too_large("arguments", len(arguments), settings.payload_bytes_max)
        name, graph, lane = definition.name, definition.hash, scheduler.writer.lane()
        if options.delay_seconds:
            return self._later(run_id, definition, lane, arguments, options)
        priority = options.priority
        full = len(scheduler.runs) >= settings.resident_runs_max
        if not self._executes or (full and scheduler.held >= settings.resident_runs_max):
            run = LiveRun(run_id, name, 0, lane, None)
            free = (run_id, name, graph, DEFAULT_QUEUE, None, 0, READY, 0, arguments, None)
            return run, NewRun(*free, priority)
        run = LiveRun(run_id, name, 1, lane, self._programs.session(program, run_id))
        run.priority = priority
        fields = (run_id, name, graph, DEFAULT_QUEUE, self._worker(), 1, RUNNING)
        return run, _new_run((*fields, scheduler.clock.now_ns(), arguments, None, priority))

    def _later(
        self,
        run_id: UUID,
        definition: WorkflowDefinition,
        lane: int,
        arguments: bytes,
        options: RunOptions,
    ) -> tuple[LiveRun, NewRun]:
        """A run that is to sleep until it is due. Where time is virtual nobody would claim
        it: there it is ours from the first, see `_hold`."""
        clock = self._scheduler.clock
        owner, epoch, state = (self._worker(), 1, RUNNING) if clock.virtual else (None, 0, WAITING)
        due_ns = clock.now_ns() + round(options.delay_seconds * 1e9)
        fields = (run_id, definition.name, definition.hash, DEFAULT_QUEUE, owner, epoch, state)
        run = LiveRun(run_id, definition.name, epoch, lane, None)
        return run, NewRun(*fields, due_ns, arguments, None, options.priority)

    def _hold(self, run: LiveRun, new: NewRun, program: Program) -> None:
        """Begin a submission of ours when it is due, where time is virtual."""
        if new.owner is not None:
            run.session, run.priority = self._programs.session(program, run.id), new.priority
            self._scheduler.runs[run.id] = run
            self._delayed.hold(run, new.began_ns, partial(self._begin, run, new))

    def _begin(self, run: LiveRun, new: NewRun) -> None:
        assert run.session is not None
        try:
            advance = run.session.begin(new.input, new.began_ns)
        except Exception as error:  # noqa: BLE001  # it is stored, so nobody is there to be told
            self._scheduler.quarantine(run, f"{type(error).__name__}: {error}")
        else:
            self._scheduler.admit(run, advance)


def decode(ending: Ending, run_id: UUID, definition: WorkflowDefinition | None) -> Any:
    """The result of a run, or its failure raised."""
    workflow, state, payload, value = ending
    if value is not UNREAD:
        return value
    if state == RunState.SUCCEEDED:
        definition = definition or registry.workflow(workflow)
        plan = plan_for(Any, registry.types) if definition is None else definition.result_plan
        return plan.loads(payload)
    if state == RunState.FAILED:
        error = load_exception(payload, registry.types)
        failed = RunFailed(run_id, workflow)
        failed.__cause__ = error.__cause__
        _say_where(failed, error)
        raise error from failed
    if state == RunState.QUARANTINED:
        raise RunQuarantined(run_id, workflow, payload.decode(errors="replace"))
    raise RunCancelled(run_id, workflow)


def _say_where(failed: RunFailed, error: BaseException) -> None:
    """Note where an exception was raised, and of a group where its members were."""
    raised = [("it", error), *((type(member).__name__, member) for member in _members(error))]
    for what, each in raised[: 1 + MEMBERS_SAID]:
        trace = recorded_traceback(each)
        if trace is not None:
            failed.add_note(f"where {what} was raised:\n{trace.rstrip()}")


def _members(error: BaseException) -> list[BaseException]:
    """Those of a group, and of the groups among them."""
    if not isinstance(error, BaseExceptionGroup):
        return []
    members = cast("BaseExceptionGroup[BaseException]", error).exceptions
    return [each for member in members for each in _members(member) or [member]]
