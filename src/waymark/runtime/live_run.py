"""One run in this process's memory, and one unit of what is written for it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from uuid import UUID

from ..engine.outcomes import UNREAD, Advance, Command, Entry, Finish, StartAttempt, maker
from ..store.records import JournalRow, NewRun, Park, Release, RunEnd, RunState
from .report import Report

if TYPE_CHECKING:
    from ..engine.parts import Parts
    from ..engine.program import Program

_run_end = maker(RunEnd)

#: Looking a member up costs more than the rest of what is done with it.
_SUCCEEDED = RunState.SUCCEEDED


class RunSession(Protocol):
    """The engine's side of one run (`engine.session.Session`)."""

    #: Of the last entry made or fed.
    seq: int

    def begin(
        self, input: bytes, now_ns: int, plain: Mapping[str, Any] | None = None
    ) -> Advance: ...

    def settle(
        self, effect: int, ok: bool, payload: bytes, now_ns: int, value: Any = UNREAD
    ) -> Advance: ...

    def attempt_failed(
        self, effect: int, attempt: int, again_ns: int, told: bytes, now_ns: int
    ) -> Advance: ...

    def outstanding(self) -> Sequence[Command]: ...

    @property
    def begun(self) -> bool: ...

    @property
    def parts(self) -> Parts: ...

    @property
    def heard(self) -> Mapping[str, int]: ...

    def hear(self, key: str, kind: int, name: str, payload: bytes, now_ns: int) -> Advance: ...

    def next_attempt(self, effect: int) -> StartAttempt | None: ...

    def fire(self, timer: int, now_ns: int) -> Advance: ...

    def recover(
        self,
        input: bytes,
        began_ns: int,
        entries: Sequence[JournalRow],
        now_ns: int,
        snapshot: bytes | None = None,
    ) -> Advance: ...

    @property
    def program(self) -> Program: ...

    def snapshot(self) -> bytes: ...


def fail(future: asyncio.Future[Any], error: BaseException) -> None:
    """Set an exception that nobody needs to retrieve: who waited may be gone."""
    if not future.done():
        future.set_exception(error)
        future.exception()


class Ending(NamedTuple):
    """How a run ended, for those who wait. `payload` is the encoded result or
    exception, or the reason in UTF-8 when quarantined; `value` is the result where it
    is a plain scalar and known."""

    workflow: str
    state: int  # RunState, final or QUARANTINED
    payload: bytes
    value: Any = UNREAD


class LiveRun:
    """A run that this process owns (or has just submitted).

    closed      takes no more inputs: attempts that end now were interrupted
    dropped     nothing more is written for it; it belongs to somebody else
    stored      its row is committed
    acked       highest journal seq known to be committed
    """

    __slots__ = (
        "accepted",
        "acked",
        "attempts",
        "caller",
        "closed",
        "dropped",
        "epoch",
        "id",
        "lane",
        "parent",
        "priority",
        "reports",
        "session",
        "stored",
        "timers",
        "waiters",
        "workflow",
    )

    def __init__(
        self, id: UUID, workflow: str, epoch: int, lane: int, session: RunSession | None
    ) -> None:
        self.id = id
        self.workflow = workflow
        self.epoch = epoch
        self.lane = lane
        self.session = session
        self.acked = 0
        #: A run that may sleep until this one has ended.
        self.parent: UUID | None = None
        #: The calls of the highest go first.
        self.priority = 0
        self.stored = False
        self.closed = False
        self.dropped = False
        self.accepted: asyncio.Future[None] | None = None
        #: Who submitted it and waits for its end, and others who do.
        self.caller: asyncio.Future[Ending] | None = None
        self.waiters: list[asyncio.Future[Ending]] | None = None
        #: By effect: the attempt's task, None while it waits for a slot.
        self.attempts: dict[int, asyncio.Task[None] | None] = {}
        self.timers: set[int] | None = None
        #: By effect: what its attempts said of themselves.
        self.reports: dict[int, Report] | None = None

    @property
    def settled(self) -> bool:
        """Whether it goes on here, and all that entered its engine is committed."""
        session = self.session
        if session is None or self.closed or not self.stored:
            return False
        return session.begun and session.seq == self.acked

    @property
    def waiting(self) -> list[asyncio.Future[Ending]]:
        """Those who still wait for its end."""
        waiters = self.waiters or []
        if self.caller is not None:
            waiters = [self.caller, *waiters]
        return [waiter for waiter in waiters if not waiter.done()]

    def wait(self, loop: asyncio.AbstractEventLoop) -> asyncio.Future[Ending]:
        """A future for the run's end; cancelling it cancels nothing else."""
        future: asyncio.Future[Ending] = loop.create_future()
        if self.waiters is None:
            self.waiters = [future]
        else:
            self.waiters = [waiter for waiter in self.waiters if not waiter.done()]
            self.waiters.append(future)
        return future

    def take_waiters(self) -> list[asyncio.Future[Ending]]:
        """Those who still wait; the run forgets them."""
        waiting = self.waiting
        self.caller = self.waiters = None
        return waiting

    def tell(self, ending: Ending) -> bool:
        """Give the run's end to everybody who waits for it. Whether anybody ever did."""
        caller, waiters = self.caller, self.waiters
        self.caller = self.waiters = None
        if caller is not None and not caller.done():
            caller.set_result(ending)
        for waiter in waiters or ():
            if not waiter.done():
                waiter.set_result(ending)
        return caller is not None or waiters is not None

    def fail(self, error: BaseException) -> None:
        """Tell everybody who waits, for the run or its acceptance, of an error."""
        if self.accepted is not None and not self.accepted.done():
            fail(self.accepted, error)
        for waiter in self.take_waiters():
            fail(waiter, error)

    def successor(self) -> LiveRun:
        """Drops this run; the new one, without a session, carries the waiters and
        may still write the run's last row."""
        heir = LiveRun(self.id, self.workflow, self.epoch, self.lane, None)
        heir.stored, heir.acked = self.stored, self.acked
        heir.accepted, heir.caller, heir.waiters = self.accepted, self.caller, self.waiters
        heir.parent, heir.priority = self.parent, self.priority
        self.accepted = self.caller = self.waiters = None
        self.closed = self.dropped = True
        return heir

    def __repr__(self) -> str:
        flags = " ".join(flag for flag in ("stored", "closed", "dropped") if getattr(self, flag))
        return f"<LiveRun {self.id} epoch={self.epoch} acked={self.acked} {flags}>"


class Change(NamedTuple):
    """What one input led to: written in one flush or not at all, in order within
    its run. `commands` are carried out once it is committed."""

    run: LiveRun
    new: NewRun | None
    entries: Sequence[Entry]
    end: RunEnd | None
    release: Release | Park | None
    commands: Sequence[Command]
    size: int  # bytes of payload


def end_of(run: LiveRun, finish: Finish) -> RunEnd:
    """The row that ends a run."""
    ok, cancelled, payload, digest, _ = finish
    state = _SUCCEEDED if ok else RunState.CANCELLED if cancelled else RunState.FAILED
    return _run_end((run.id, run.epoch, state, digest, payload))


def quarantine(run: LiveRun, reason: str) -> Change:
    """The change that records that a run cannot go on, and why. The run takes no
    more inputs."""
    run.closed = True
    payload = reason.encode(errors="replace")
    end = RunEnd(run.id, run.epoch, RunState.QUARANTINED, 0, payload)
    return Change(run, None, [], end, None, [], len(payload))
