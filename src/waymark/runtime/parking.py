"""Runs that wait leave memory: a million that sleep are a million rows, and nothing else.

Theory. A run that waits for a timer, or for children, has all that it is in its row and
its journal; what the process holds of it is a copy. Such a run is *parked*: its owner
writes "waiting, owned by nobody, wake at ..." as the last thing of its claim, and forgets
it. Whoever finds it due claims it again, feeds its journal, and goes on.

Rules

1.  Only a run is parked of which everything is committed, and that waits for nothing that
    this process works at: timers and pauses between attempts that are farther off than
    `park_after_seconds`, and children. What it waits for is asked of its engine, not of
    what the scheduler has got round to.
2.  A timer's moment is known, so a run that waits for one alone is parked at once. When a
    child ends is not known: a run that waits for one too is parked once it has waited for
    so long.
3.  Of several timers the first one counts.
4.  A parking travels in the run's own lane of the writer, in a batch of parkings: after all
    that was written of the run, and never late, since a lane that lost its connection makes
    sure that nothing of it is still under way.
5.  The store refuses it (`Store.park`) when there is a message for the run, or a child that
    has ended. It locks the run, then looks; who sends a message, or records a child's end,
    locks the run with it. So one of the two sees the other, and no wake-up is lost.
6.  Until the answer the run lives on here. What it takes in meanwhile goes into the lane
    behind the parking: refused with the rest when the run is parked, for the message is in
    the inbox, the child's end in its row, and the timer in the journal's own future.
7.  A child's end wakes its parent in the same transaction, unless it was begun here and its
    parent is here to stay (`LiveRun.parent`). Who is about to be parked is not: from then on
    its children wake it, those too that begin before it is, and it is not parked while the
    end of one is on its way from here. As a parking may wait long for its turn in the lane,
    that is asked once more when it is sent, and whether it still waits for the same.
    A child that was asked to cancel itself keeps its parent awake.
8.  One wake-up can still be missed: of a child whose end is on its way without it, while its
    parent is taken from here and parked elsewhere. So a run that waits for children alone is
    looked at again after `LOOK_AGAIN_SECONDS`, whatever it was told.

Deadlines. Engine time is the database's clock (`runtime.clock`), so a deadline of the
engine, in nanoseconds since 1970, is `wake_at` as it stands, cut to microseconds; what the
journal says of it is what counts in the end. A sweep claims what is due within its next
looks (`sweep.LOOKS_AHEAD`), and the timer that recovery sets fires in memory at the exact
deadline: never before it, and as late after it as the loop is busy. Therefore no run is
parked for less than a few looks.

A run in memory costs some kilobytes, a parked one nothing here, two rows of the journal
when it wakes, and a share in two statements. Hence the default of 30 seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple
from uuid import UUID

from ..engine.outcomes import Command, SetTimer, StartAttempt, StartChild
from ..settings import Settings
from ..store.records import Park
from .live_run import Change, LiveRun
from .nudge import Nudge
from .run_ids import child_id
from .scheduler import Scheduler
from .sweep import LOOKS_AHEAD

#: Runs looked at before the loop turns.
RUNS_PER_LOOK = 200

#: Between two looks, so that runs are parked in batches.
PAUSE_SECONDS = 0.02

#: A run that waits for children alone is looked at again after so long.
LOOK_AGAIN_SECONDS = 600

#: A run that waits for more children stays: the store looks at each of them.
CHILDREN_MAX = 1000


class Parking:
    """The runs that may be parked. Only `serve` waits."""

    def __init__(self, scheduler: Scheduler, settings: Settings) -> None:
        self._scheduler = scheduler
        self._after_seconds = settings.park_after_seconds
        far_seconds = max(self._after_seconds, (LOOKS_AHEAD + 1) * settings.poll_seconds)
        self._far_ns = round(far_seconds * 1e9)
        self._loop = asyncio.get_running_loop()
        #: All that are in one of the next three.
        self.known: set[LiveRun] = set()
        #: To be looked at soon.
        self._fresh: dict[LiveRun, None] = {}
        #: To be looked at later, in this order: when, and how long its journal was.
        self._later: dict[LiveRun, tuple[float, int]] = {}
        #: Those whose parking was handed to the writer, and what they waited for then.
        self.under_way: dict[LiveRun, Waits] = {}
        self._nudge = Nudge()
        #: Time that is virtual moves by the alarms of runs in memory.
        self._enabled = not scheduler.clock.virtual
        scheduler.timers.noticed = self._timer_set
        scheduler.writer.still_waits = self._still_waits
        scheduler.writer.stays = self._stays

    # What happens to runs

    def _timer_set(self, run: LiveRun, deadline_ns: int) -> None:
        far = deadline_ns - self._scheduler.clock.now_ns() > self._far_ns
        if far and self._enabled and run not in self.under_way:
            self._later.pop(run, None)
            self._fresh[run] = None
            self.known.add(run)
            self._nudge.set()

    def waits_for_children(self, run: LiveRun) -> None:
        """A run has begun to wait for a child."""
        if self._enabled and run not in self.known:
            self._look_later(run)
            self._nudge.set()

    def left(self, run: LiveRun) -> None:
        """A run has left memory."""
        self._scheduler.children.left(run)
        self._forget(run)

    def _forget(self, run: LiveRun) -> None:
        if run in self.known:
            self.known.discard(run)
            self.under_way.pop(run, None)
            self._fresh.pop(run, None)
            self._later.pop(run, None)

    def _still_waits(self, run: LiveRun) -> bool:
        """Whether a parking that is about to be sent is still right."""
        waits = self.under_way.get(run)
        if waits is None or run.session is None or not run.settled:
            return False
        if waits_of(run.session.outstanding()) != waits:
            return False
        return self._scheduler.children.to_wake(run, waits.ids(run))

    def _stays(self, run: LiveRun) -> None:
        """The store refused to park a run, or there was no need to ask."""
        self.under_way.pop(run, None)
        self._look_later(run)

    def _look_later(self, run: LiveRun) -> None:
        if run.session is None or run.closed:
            self._forget(run)
            return
        self._later.pop(run, None)
        self._later[run] = (self._loop.time() + self._after_seconds, run.session.seq)
        self.known.add(run)

    # Looking

    async def serve(self) -> None:
        """Park what may be parked, until cancelled."""
        while True:
            await self._nudge.wait(self._seconds_left())
            self._look()
            await asyncio.sleep(PAUSE_SECONDS)

    def _seconds_left(self) -> float | None:
        """Until the next look is due; None when there is nothing to look at."""
        if self._fresh:
            return 0.0
        for when, _ in self._later.values():
            return max(0.0, when - self._loop.time())
        return None

    def _look(self) -> None:
        fresh = list(islice(self._fresh, RUNS_PER_LOOK))
        now = self._loop.time()
        for run in fresh:
            del self._fresh[run]
            self._consider(run, None)
        for run, (when, seq) in list(islice(self._later.items(), RUNS_PER_LOOK)):
            if when > now:
                break
            self._consider(run, seq)

    def _consider(self, run: LiveRun, seq: int | None) -> None:
        """Park a run if that may be done now. `seq` tells how long its journal was when
        it was last looked at, None when it has just set a timer."""
        waits = self._waits(run, seq)
        if waits is None:
            self._look_later(run)
            return
        self._later.pop(run, None)
        self.under_way[run] = waits
        deadline_ns = waits.deadline_ns
        if deadline_ns is None:
            deadline_ns = self._scheduler.clock.now_ns() + LOOK_AGAIN_SECONDS * 1_000_000_000
        park = Park(run.id, run.epoch, deadline_ns, waits.ids(run))
        self._scheduler.writer.park(Change(run, None, [], None, park, [], 0))

    def _waits(self, run: LiveRun, seq: int | None) -> Waits | None:
        """What a run waits for that may be parked; None for any other."""
        session = run.session
        if session is None or not run.settled or self._scheduler.draining:
            return None
        waits = waits_of(session.outstanding())
        if waits is None or not self._is_far(waits):
            return None
        if waits.children:
            if seq != session.seq or len(waits.children) > CHILDREN_MAX:
                return None
            if not self._scheduler.children.to_wake(run, waits.ids(run)):
                return None
        return waits

    def _is_far(self, waits: Waits) -> bool:
        if waits.deadline_ns is None:
            return bool(waits.children)
        return waits.deadline_ns - self._scheduler.clock.now_ns() > self._far_ns


class Waits(NamedTuple):
    """What a run waits for that nobody here works at."""

    deadline_ns: int | None  # of its first timer
    children: list[int]  # by their effects

    def ids(self, run: LiveRun) -> tuple[UUID, ...]:
        """Those of the children."""
        return tuple(child_id(run.id, effect) for effect in self.children)


def waits_of(outstanding: Sequence[Command]) -> Waits | None:
    """What is outstanding, as waiting; None where some of it is work for this process."""
    deadlines: list[int] = []
    children: list[int] = []
    for command in outstanding:
        match command:
            case SetTimer():
                deadlines.append(command.deadline_ns)
            case StartAttempt():  # One that is due is near enough.
                deadlines.append(command.not_before_ns)
            case StartChild():
                children.append(command.effect)
            case _:
                return None
    return Waits(min(deadlines, default=None), children)
