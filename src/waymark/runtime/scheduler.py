"""Owns the runs in memory: feeds their sessions and carries out their commands.

Theory. Three things happen to a run: an outcome or a timer enters its engine, a
change of it is committed, its memory is dropped. Outcomes and commits are queued
and handled by `_tick`, some `ITEMS_PER_TICK` at a time, so that the host's loop
turns in between; the writer never waits for that and we never wait for the writer.

Durable before visible: whatever an input leads to (`Advance`) goes to the writer as
one change; its commands are carried out, and waiters told, when that is committed.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections import deque
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any
from uuid import UUID

from ..engine.outcomes import (
    UNREAD,
    Advance,
    CancelChild,
    CancelEffect,
    Command,
    DropTimer,
    Finish,
    SetTimer,
    StartAction,
    StartAttempt,
    StartChild,
    maker,
)
from ..errors import ValueDecodeError
from ..store.records import Message, NewRun, Release, RunEnd, RunState
from ..values import dump_exception
from .clock import Clock
from .executor import Attempt, Executor, Outcome
from .live_run import Change, Ending, LiveRun, end_of, quarantine
from .nudge import Nudge
from .slow_steps import SLOW_SECONDS, SlowSteps
from .timers import Timers
from .waiters import Waiters
from .writer import Writer

if TYPE_CHECKING:
    from .children import Children
    from .parking import Parking
    from .snapshots import Snapshots

_change = maker(Change)
_ending = maker(Ending)

log = logging.getLogger("waymark.scheduler")

#: Commands that a closed run no longer carries out.
_BEGINS = SetTimer | StartAttempt | StartChild | CancelChild

#: The longest pause between attempts: some sixty years, so that deadlines stay small.
PAUSE_SECONDS_MAX = 2e9
#: Outcomes and commits handled before the loop turns.
ITEMS_PER_TICK = 50


class Scheduler:
    """The runs of this process. All methods belong to its loop; none waits."""

    def __init__(self, clock: Clock, waiters: Waiters) -> None:
        self.clock = clock
        self.waiters = waiters
        self.writer: Writer
        self.executor: Executor
        self.children: Children
        self.parking: Parking
        self.snapshots: Snapshots
        self.timers = Timers(clock, self._due)
        self.slow_steps = SlowSteps()
        self.runs: dict[UUID, LiveRun] = {}
        #: No attempt starts any more.
        self.draining = False
        #: Whether the last confirmed flush or beat is young enough to start work.
        self.lease_holds: Callable[[], bool] = lambda: True
        #: Called when nothing is left to handle (the virtual clock's moment).
        self.at_rest: Callable[[], None] | None = None
        #: Called when a run has left memory, so that others may be claimed.
        self.room: Callable[[], None] = lambda: None
        #: Called when runs of ours may have messages.
        self.look: Callable[[], None] = lambda: None
        #: Called when a submission that any worker may claim is committed.
        self.passed_on: Callable[[], None] = lambda: None
        #: Called when calls wait for a slot.
        self.crowded: Callable[[], None] = lambda: None
        #: Called when the outcome of a call is not wanted any more.
        self.unwanted: Callable[[LiveRun, int], None] = lambda run, effect: None
        #: Called after a commit that ended or released runs, with a hint's topic.
        self.hint: Callable[[str], None] = lambda topic: None
        #: Set whenever nothing is left to handle.
        self.quiet = Nudge()
        self._outcomes: deque[Outcome] = deque()
        self._committed: deque[Change] = deque()
        self._fired: deque[tuple[LiveRun, int]] = deque()
        self._submitted: deque[tuple[LiveRun, NewRun, Mapping[str, Any] | None]] = deque()
        #: Runs begun in this turn of the loop.
        self._begun = 0
        self._hints: set[str] = set()
        self._scheduled = False
        self._loop = asyncio.get_running_loop()
        #: Attempts begin in the context of start(), not of the request that woke us.
        self.context = contextvars.copy_context()

    # Runs come and go

    @property
    def held(self) -> int:
        """Runs that count against the bound of those in memory."""
        return len(self.runs) - len(self.children.parents)

    def submit(self, run: LiveRun, new: NewRun, plain: Mapping[str, Any] | None = None) -> None:
        """A new run: its first step is taken now, or in a later turn of the loop
        when this turn has begun enough. `plain` are its arguments by name where they
        are known and plain scalars. Errors go to who waits for the run."""
        if run.session is None:  # Any worker may claim it.
            self.writer.put(Change(run, new, [], None, None, [], len(new.input)))
            return
        self.runs[run.id] = run
        if self._begun < ITEMS_PER_TICK:
            self._begun += 1
            self._begin(run, new, plain)
        else:
            self._submitted.append((run, new, plain))
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._tick, context=self.context)

    def admit(self, run: LiveRun, advance: Advance) -> None:
        """A run that was recovered."""
        self.runs[run.id] = run
        self._record(run, advance, None, perf_counter())

    def _begin(self, run: LiveRun, new: NewRun, plain: Mapping[str, Any] | None) -> None:
        assert run.session is not None
        started = perf_counter()
        try:
            advance = run.session.begin(new.input, new.began_ns, plain)
        except Exception as error:  # noqa: BLE001  # nothing is stored: the caller's
            self.unstorable(run, error)
        else:
            self._record(run, advance, new, started)

    def forget(self, run: LiveRun) -> None:
        """Drop a run's memory: it is not ours any more. Waiters go on waiting, by
        polling."""
        run.closed = run.dropped = True
        self._leave(run)
        self.executor.cancel_all(run)
        self.timers.drop_all(run)
        if run.accepted is not None and not run.accepted.done():
            run.accepted.set_result(None)
        self.waiters.adopt(run)

    def release(self, run: LiveRun, state: RunState, reason: str = "") -> None:
        """Give a run back, after whatever it still has to write."""
        run.closed = True
        self.executor.cancel_all(run)
        self.timers.drop_all(run)
        row = Release(run.id, run.epoch, state, reason)
        self.writer.put(Change(run, None, [], None, row, [], 0))

    def quarantine(self, run: LiveRun, reason: str) -> None:
        """End a run that cannot go on, keeping all that it recorded."""
        log.error("run %s of %s is quarantined: %s", run.id, run.workflow, reason)
        self.executor.cancel_all(run)
        self.timers.drop_all(run)
        self.writer.put(quarantine(run, reason))

    def _leave(self, run: LiveRun) -> None:
        held = self.runs.pop(run.id, None)
        if self.parking.known or self.children.parents:
            self.parking.left(run)
        if held is run:
            self.room()
        elif held is not None:
            self.runs[run.id] = held

    # What the writer says (see writer.WriterHost)

    def committed(self, changes: list[Change]) -> None:
        self._committed.extend(
            [
                change
                for change in changes
                if change.commands or change.new or change.end or change.release
            ]
        )
        self.wake()

    def refused(self, run: LiveRun) -> None:
        log.info("run %s belongs to another worker now", run.id)
        self.forget(run)

    def stored_runs(self, lane: int) -> list[LiveRun]:
        return [run for run in self.runs.values() if run.lane == lane and run.stored]

    def behind(self, run: LiveRun) -> None:
        log.warning("the database lost entries of run %s; it is recovered", run.id)
        heir = self._replace(run)
        self.release(heir, RunState.READY)

    def condemned(self, run: LiveRun) -> LiveRun:
        return self._replace(run)

    def unstorable(self, run: LiveRun, error: Exception) -> None:
        run.closed = run.dropped = True
        self._leave(run)
        run.fail(error)

    def _replace(self, run: LiveRun) -> LiveRun:
        self.executor.cancel_all(run)
        self.timers.drop_all(run)
        heir = run.successor()
        if self.runs.get(run.id) is run:
            self.runs[run.id] = heir
        self.parking.left(run)
        return heir

    # Inputs

    def deliver(self, outcome: Outcome) -> None:
        """An attempt has ended."""
        self._outcomes.append(outcome)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._tick, context=self.context)

    def retry(self, run: LiveRun, command: Attempt, pause: float, error: bytes) -> None:
        """An attempt has failed, and there is another after `pause` seconds. That is
        recorded first, so that no crash forgets the attempt or shortens the pause."""
        effect, name = command[0], command[2]
        if run.closed or effect not in run.attempts or run.session is None:
            self.wake()  # Nothing else tells of the slot that is free now.
            return
        run.attempts[effect] = None
        started, now_ns = perf_counter(), self.clock.now_ns()
        again_ns = now_ns + round(min(pause, PAUSE_SECONDS_MAX) * 1e9)
        number = 1 if isinstance(command, StartAction) else command.attempt
        log.info("attempt %d of %s failed in run %s", number, name, run.id)
        told = self.executor.reports.told(run, effect, name, error)
        try:
            advance = run.session.attempt_failed(effect, number, again_ns, told, now_ns)
        except Exception as refused:  # noqa: BLE001  # one run's trouble stays its own
            self._broken(run, refused)
        else:
            self._record(run, advance, None, started)

    def hear(self, run: LiveRun, message: Message) -> bool:
        """Give a message to a run of ours. Whether its entry is committed, so that
        the message may be forgotten."""
        session = run.session
        if run.closed or session is None or not session.begun:
            return False
        seq = session.heard.get(message.key)
        if seq is not None:
            return seq <= run.acked
        started = perf_counter()
        try:
            advance = session.hear(*message[1:], self.clock.now_ns())
        except Exception as error:  # noqa: BLE001  # one run's trouble stays its own
            self._broken(run, error)
        else:
            self._record(run, advance, None, started)
        return False

    def _due(self, run: LiveRun, timer: int) -> None:
        self._fired.append((run, timer))
        self.wake()

    def wake(self) -> None:
        """See to what is waiting in the next turn of the loop."""
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._tick, context=self.context)

    @property
    def has_inputs(self) -> bool:
        """Whether outcomes, commits or timers wait to be handled."""
        return bool(
            self._scheduled or self._outcomes or self._committed or self._fired or self._submitted
        )

    def at_work(self) -> bool:
        """Whether anything of this process's own is under way."""
        return bool(
            self.has_inputs
            or self.executor.running
            or self.executor.ready
            or self.children.asked
            or not self.writer.idle
        )

    def _tick(self) -> None:
        self._scheduled = False
        self._begun = 0
        outcomes, committed, fired = self._outcomes, self._committed, self._fired
        now_ns = self.clock.now_ns()
        for _ in range(ITEMS_PER_TICK):
            if outcomes:
                self._settle(*outcomes.popleft(), now_ns)
            if committed:
                self._carry_out(committed.popleft())
            elif not outcomes:
                break
        for _ in range(min(len(fired), ITEMS_PER_TICK)):
            self._fire(*fired.popleft(), now_ns)
        submitted = self._submitted
        while submitted and self._begun < ITEMS_PER_TICK:
            self._begun += 1
            self._begin(*submitted.popleft())
        self._start_attempts()
        self._give_hints()
        if outcomes or committed or fired or submitted:
            self.wake()
        elif not self._scheduled:
            self.quiet.set()
            if self.at_rest is not None:
                self.at_rest()

    def _start_attempts(self) -> None:
        executor = self.executor
        if executor.ready and self.may_start():
            executor.start()
            if executor.ready:
                self.crowded()
                if executor.startable:
                    self.wake()

    def _give_hints(self) -> None:
        for topic in self._hints:
            self.hint(topic)
        self._hints.clear()

    def may_start(self) -> bool:
        """Bounds on what a crash may take, and proof that our runs are ours; both wake us."""
        return not self.draining and not self.writer.congested and self.lease_holds()

    def _settle(
        self, run: LiveRun, effect: int, ok: bool, payload: bytes, value: Any, now_ns: int
    ) -> None:
        attempts, session = run.attempts, run.session
        if run.closed or effect not in attempts or session is None:
            return
        del attempts[effect]
        started = perf_counter()
        advance: Advance | None = None
        failure = payload
        try:
            try:
                advance = session.settle(effect, ok, payload, now_ns, value)
            except ValueDecodeError as error:
                if not ok:
                    raise
                # The action's failure: its result is of no use. The session has not changed.
                failure = dump_exception(error)
            # Out here, so that the error is no context of what the workflow raises.
            if advance is None:
                advance = session.settle(effect, False, failure, now_ns)
        except Exception as error:  # noqa: BLE001  # one run's trouble stays its own
            self._broken(run, error)
        else:
            self._record(run, advance, None, started)

    def _fire(self, run: LiveRun, timer: int, now_ns: int) -> None:
        if run.closed or run.session is None:
            return
        if timer < 0:
            command = run.session.next_attempt(~timer)
            if command is not None:
                self.executor.enqueue(run, command)
            return
        started = perf_counter()
        try:
            advance = run.session.fire(timer, now_ns)
        except Exception as error:  # noqa: BLE001  # one run's trouble stays its own
            self._broken(run, error)
        else:
            self._record(run, advance, None, started)

    def _broken(self, run: LiveRun, error: Exception) -> None:
        """The engine refused an input. Its author's exceptions never come this way,
        so either types changed under the run, or it is a mistake of ours."""
        if isinstance(error, ValueDecodeError):
            self.release(run, RunState.BLOCKED, str(error))
            return
        log.error("the engine failed in run %s", run.id, exc_info=error)
        self.quarantine(run, f"{type(error).__name__}: {error}")

    def _record(self, run: LiveRun, advance: Advance, new: NewRun | None, started: float) -> None:
        """Hand what an input led to, taken in at `started`, to the writer."""
        if perf_counter() - started > SLOW_SECONDS:
            self.slow_steps.name(run, started)
        entries, commands = advance
        if not entries and not commands and new is None:
            return
        size = 0 if new is None else len(new.input)
        for entry in entries:
            size += len(entry[6])  # its payload
        end = None
        if commands:
            last = commands[-1]
            if type(last) is Finish:
                run.closed = True
                end = end_of(run, last)
                size += len(last[2])  # its payload
        self.writer.put(_change((run, new, entries, end, None, commands, size)))

    # Outputs

    def _carry_out(self, change: Change) -> None:
        run, new, _, end, release, commands, _ = change
        if run.dropped:
            return
        if new is not None:
            if run.accepted is not None and not run.accepted.done():
                run.accepted.set_result(None)
            if run.session is None:
                self.waiters.adopt(run)
                self._hints.add("runs")
                self.passed_on()
        value: Any = UNREAD
        for command in commands:
            # By far the most of them, so without the way through `_obey`.
            if type(command) is StartAction:
                if not run.closed:
                    self.executor.enqueue(run, command)
            elif type(command) is Finish:
                value = command.value
            elif not run.closed or not isinstance(command, _BEGINS):
                self._obey(run, command)
        if end is not None:
            self._ended(run, end, value)
        elif release is not None:
            self.forget(run)
            if type(release) is Release:
                self._hints.add("runs")

    def _start_later(self, run: LiveRun, command: StartAttempt) -> None:
        """Start an attempt when its pause is over: a timer whose number is `~effect`."""
        if command.not_before_ns <= self.clock.now_ns():
            self.executor.enqueue(run, command)
            return
        run.attempts[command.effect] = None
        self.timers.set(run, ~command.effect, command.not_before_ns)

    def _obey(self, run: LiveRun, command: Command) -> None:
        match command:
            case StartAttempt():
                self._start_later(run, command)
            case StartChild():
                self.children.start(run, command)
            case CancelChild():
                self.children.cancel(run, command)
            case SetTimer():
                self.timers.set(run, command.timer, command.deadline_ns)
            case CancelEffect():
                self.executor.cancel(run, command.effect)
                self.unwanted(run, command.effect)
                if run.timers is not None and ~command.effect in run.timers:
                    self.timers.drop(run, ~command.effect)
            case DropTimer():
                self.timers.drop(run, command.timer)
            case StartAction() | Finish():
                pass

    def _ended(self, run: LiveRun, end: RunEnd, value: Any) -> None:
        self._leave(run)
        if run.attempts:
            self.executor.cancel_all(run)
        if run.timers:
            self.timers.drop_all(run)
        ending = _ending((run.workflow, end.state, end.result, value))
        told = run.tell(ending)
        if self.waiters.waiting:
            # Who began to wait before this process had the run.
            told |= self.waiters.tell(run.id, ending)
        if not told and end.state == RunState.FAILED:
            log.info("run %s of %s failed; its handle's result() tells how", run.id, run.workflow)
        self._hints.add("done")
        if run.parent is not None:
            self.children.woken()
