"""Child runs: asked for by a run, and how their ends come back to it.

Theory. A child is a run of its own: graph, row, journal, owner. Its id is derived
from its parent's id and the effect that asks for it, so whoever asks, and however
often, means the same row, and the primary key makes it one run. The parent's entry
that led to it is committed before the row is sent, as with every effect; so there is
no child that its parent's journal does not explain.

A child's end is durable in its own row. The parent's owner learns of it from memory
where the child is executed in this process, else from the one reader of all waiters
(by hint and poll), and gives it to the parent's engine as the outcome of the effect.
What a crash takes on the way is asked of the child's row again: the parent's engine
still waits for the effect, and its recovery says so (`StartChild.again`).

A child whose parent's task is cancelled is asked to cancel itself, by a message that
its owner journals; the parent goes on waiting for how it ends, as a task of asyncio
waits for what it awaits. The message has a key, so a child hears it once.

A parent may sleep (`runtime.parking`), owned by nobody. A child's row names its parent,
and whoever records its end wakes the parent with it (`Flush.wakes`), unless it began here
beside its parent, and the parent is here to stay: then it is told from memory, as above.

A run that waits for children does not count against the bound of runs in memory
(`parents`): its children could otherwise wait for its place, and it for them.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice
from typing import TypeAlias
from uuid import UUID

from ..authoring.registry import registry
from ..authoring.workflow import WorkflowDefinition
from ..engine.outcomes import UNREAD, CancelChild, StartChild
from ..engine.program import Program
from ..errors import (
    RunCancelled,
    RunNotFound,
    StoppingError,
    StoreUnavailable,
    UnresolvedActionError,
)
from ..store.protocol import Store
from ..store.records import EntryKind, Message, NewRun, RunState
from ..values import dump_exception
from .backoff import Backoff
from .live_run import Ending, LiveRun
from .nudge import Nudge
from .programs import Programs
from .run_ids import child_id
from .scheduler import Scheduler
from .waiters import RUNS_PER_READ, Waiters

log = logging.getLogger("waymark.children")

#: How often a child that is quarantined is looked at again.
QUARANTINE_LOOK_SECONDS = 30.0

#: Makes a run and its row: `(definition, program, arguments, id)`.
Prepare: TypeAlias = Callable[[WorkflowDefinition, Program, bytes, UUID], tuple[LiveRun, NewRun]]


class Children:
    """The children that runs of this process wait for. Only `serve` waits itself."""

    def __init__(
        self,
        store: Store,
        scheduler: Scheduler,
        waiters: Waiters,
        programs: Programs,
        prepare: Prepare,
    ) -> None:
        self._store = store
        self._scheduler = scheduler
        self._waiters = waiters
        self._programs = programs
        self._prepare = prepare
        self._loop = asyncio.get_running_loop()
        #: What cannot be started at once: the store or a program has to be asked first.
        self.asked: deque[tuple[LiveRun, StartChild | CancelChild]] = deque()
        #: Runs that wait for children: by effect, how the child was asked to cancel itself.
        self.parents: dict[LiveRun, dict[int, CancelChild | None]] = {}
        #: What tells them of the ends.
        self._ends: dict[LiveRun, dict[int, asyncio.Future[Ending]]] = {}
        self._nudge = Nudge()

    def start(self, run: LiveRun, command: StartChild) -> None:
        """Carry out a command whose entry is committed."""
        run.attempts[command.effect] = None
        if run not in self.parents:
            self.parents[run] = {}
            self._scheduler.room()
            self._scheduler.parking.waits_for_children(run)
        self.parents[run][command.effect] = None
        definition = registry.workflow(command.workflow)
        program = None if definition is None else self._programs.find(definition)
        if command.again or definition is None or program is None:
            self.asked.append((run, command))
            self._nudge.set()
        else:
            self._submit(run, command, definition, program)

    def cancel(self, run: LiveRun, command: CancelChild) -> None:
        """Ask a child to cancel itself: at once where it is ours, else through its
        inbox. Asked again after a crash, it hears the same message."""
        if run in self.parents:
            self.parents[run][command.effect] = command
        message = _cancellation(run, command)
        child = self._scheduler.runs.get(message.run_id)
        session = None if child is None or child.closed else child.session
        leaving = child in self._scheduler.parking.under_way
        if child is None or session is None or not session.begun or leaving:
            self.asked.append((run, command))
            self._nudge.set()
        else:
            self._scheduler.hear(child, message)

    def cancel_again(self) -> None:
        """The database may have lost what was asked of children."""
        asked = [
            (run, command)
            for run, commands in self.parents.items()
            for command in commands.values()
            if command is not None
        ]
        for run, command in asked:
            self.cancel(run, command)

    def left(self, run: LiveRun) -> None:
        """A run has left memory: it waits here no more."""
        for ended in self._ends.pop(run, {}).values():
            ended.cancel()
        effects = self.parents.pop(run, {})
        self.to_wake(run, [child_id(run.id, effect) for effect in effects])
        session = run.session
        if run.dropped and session and any(seq > run.acked for seq in session.heard.values()):
            # As a child it was told here to cancel itself, and turns out to be another's.
            self.cancel_again()

    def to_wake(self, run: LiveRun, children: Iterable[UUID]) -> bool:
        """Let the ends of children wake a parent that is about to leave. False when the
        end of one is on its way already."""
        runs, ending = self._scheduler.runs, False
        for child_run_id in children:
            child = runs.get(child_run_id)
            if child is not None:
                child.parent = run.id
                ending |= child.closed
        return not ending

    def woken(self) -> None:
        """The end of a child is recorded, and its parent can be claimed."""
        self._scheduler.hint("runs")
        self._scheduler.look()

    async def serve(self) -> None:
        """See to what needs an answer first, until cancelled."""
        backoff = Backoff(0.05, 1.0)
        while True:
            if not self.asked:
                await self._nudge.wait()
            try:
                await self._see_to(list(islice(self.asked, RUNS_PER_READ)))
            except StoreUnavailable as error:
                log.debug("children cannot be looked up now: %s", error)
                await backoff.wait()
            else:
                backoff = Backoff(0.05, 1.0)

    async def _see_to(self, part: list[tuple[LiveRun, StartChild | CancelChild]]) -> None:
        """Begin a part of `asked`, or wait for what is there; each leaves the queue
        when that is done."""
        starts = [each for each in part if isinstance(each[1], StartChild) and each[1].again]
        ids = [child_id(run.id, command.effect) for run, command in starts]
        there = await self._store.read_runs(ids) if ids else {}
        for run, command in part:
            if run.closed or command.effect not in run.attempts:
                pass
            elif isinstance(command, CancelChild):
                await self._store.send([_cancellation(run, command)])
                self._scheduler.hint("inbox")
                self._scheduler.look()
            elif command.again and (row := there.get(child_id(run.id, command.effect))):
                if self._fits(run, command, row.workflow):
                    self._wait(run, command.effect)
            else:
                await self._begin(run, command)
            self.asked.popleft()

    async def _begin(self, run: LiveRun, command: StartChild) -> None:
        try:
            definition, program = await self._program(command.workflow)
        except StoreUnavailable:
            raise
        except Exception as error:  # noqa: BLE001  # the call's outcome, as it cannot begin
            self._fail(run, command.effect, error)
        else:
            if not run.closed:  # Whoever has it now begins the child.
                self._submit(run, command, definition, program)

    async def _program(self, name: str) -> tuple[WorkflowDefinition, Program]:
        definition = registry.workflow(name)
        if definition is None:
            raise UnresolvedActionError(f"no registered workflow is called {name!r}")
        return definition, await self._programs.ensure(definition)

    def _submit(
        self, run: LiveRun, command: StartChild, definition: WorkflowDefinition, program: Program
    ) -> None:
        run_id = child_id(run.id, command.effect)
        known = self._scheduler.runs.get(run_id)
        if known is not None:
            # Asked for before its parent was recovered here, and not stored yet.
            if self._fits(run, command, known.workflow):
                self._wait(run, command.effect)
            return
        try:
            child, new = self._prepare(definition, program, command.arguments, run_id)
        except Exception as error:  # noqa: BLE001  # arguments over the limit
            self._fail(run, command.effect, error)
            return
        self._tell_of(run, command.effect, child.wait(self._loop))
        if run in self._scheduler.parking.under_way:
            child.parent = run.id
        child.priority = run.priority
        self._scheduler.submit(child, new._replace(parent=run.id, priority=run.priority))

    def _fits(self, run: LiveRun, command: StartChild, workflow: str) -> bool:
        """Whether the run that bears a child's id is of the workflow that is asked for. A
        server that lost what it had acknowledged may keep a child whose parent goes
        another way now: then the parent goes no further, as going on would be a guess."""
        definition = registry.workflow(command.workflow)
        if workflow == command.workflow or (definition and workflow == definition.name):
            return True
        self._scheduler.quarantine(
            run,
            f"its call {command.effect} asks for a run of {command.workflow}, and the run"
            f" {child_id(run.id, command.effect)} that bears its id is of {workflow}: the database"
            " lost what this run had done before, or somebody edited the row; submit it anew",
        )
        return False

    def _tell_of(self, run: LiveRun, effect: int, ended: asyncio.Future[Ending]) -> None:
        self._ends.setdefault(run, {})[effect] = ended
        ended.add_done_callback(partial(self._ended, run, effect))

    def _wait(self, run: LiveRun, effect: int) -> None:
        """Wait for a child that is there."""
        run_id = child_id(run.id, effect)
        child = self._scheduler.runs.get(run_id)
        ended = self._waiters.wait(run_id) if child is None else child.wait(self._loop)
        self._tell_of(run, effect, ended)

    def _wait_again(self, run: LiveRun, effect: int) -> None:
        if not run.closed and effect in run.attempts:
            self._wait(run, effect)

    # Ends

    def _ended(self, run: LiveRun, effect: int, ended: asyncio.Future[Ending]) -> None:
        if ended.cancelled() or run.closed:
            return
        error = ended.exception()
        if isinstance(error, StoppingError | StoreUnavailable):
            return  # Ours, not the child's: the parent goes on elsewhere.
        if isinstance(error, RunNotFound):
            # The database lost it, after it had acknowledged it. Recovery begins it anew.
            self._scheduler.behind(run)
            return
        if error is not None:
            self._fail(run, effect, error)
            return
        workflow, state, payload, _ = ended.result()
        run_id = child_id(run.id, effect)
        if state == RunState.QUARANTINED:
            why = payload.decode(errors="replace")
            log.error("run %s waits for its child %s, quarantined: %s", run.id, run_id, why)
            self._loop.call_later(QUARANTINE_LOOK_SECONDS, self._wait_again, run, effect)
            return
        ok = state == RunState.SUCCEEDED
        if not ok and not payload:
            payload = dump_exception(RunCancelled(run_id, workflow))
        self._deliver(run, effect, ok, payload)

    def _fail(self, run: LiveRun, effect: int, error: BaseException) -> None:
        self._deliver(run, effect, False, dump_exception(error, types=registry.types))

    def _deliver(self, run: LiveRun, effect: int, ok: bool, payload: bytes) -> None:
        known = self.parents.get(run)
        if known is not None:
            known.pop(effect, None)
            self._ends.get(run, {}).pop(effect, None)
            if not known:
                del self.parents[run]
                self._ends.pop(run, None)
        self._scheduler.deliver((run, effect, ok, payload, UNREAD))


def _cancellation(run: LiveRun, command: CancelChild) -> Message:
    """The message that cancels a child, the same whoever sends it."""
    key = f"parent {command.time}"
    return Message(child_id(run.id, command.effect), key, EntryKind.CANCEL, "", b"")
