"""How long a submission waits for a database that does not answer.

`submit` returns once its run is stored. While flushes fail it waits: most outages are
short. After `submit_timeout_seconds` its caller is told. What was never sent is taken
back, so nothing of it is stored. What was sent may have arrived: the run goes on when the
database says so, and the error says that nobody knows.

Nothing is noted for a submission while all goes well: one look in `LOOKS` of the time
sees whether a lane has moved on, and only those that stand still are searched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ..errors import StoreUnavailable
from .backoff import Backoff
from .clock import Clock
from .live_run import Change, LiveRun
from .run_ids import is_child
from .writer import Lane, Writer

T = TypeVar("T")

#: How often to look in the time that a submission waits, and how rarely at least.
LOOKS = 10
LOOK_SECONDS_MAX = 1.0


class Patience:
    """One task: `serve`. `unstorable` drops a run that was never sent, and tells why."""

    def __init__(
        self,
        writer: Writer,
        seconds: float,
        clock: Clock,
        unstorable: Callable[[LiveRun, Exception], None],
    ) -> None:
        self._writer = writer
        self._seconds = seconds
        self._clock = clock
        self._unstorable = unstorable
        self._heads: dict[int, Change] = {}
        self._since: dict[LiveRun, float] = {}

    async def serve(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(min(self._seconds / LOOKS, LOOK_SECONDS_MAX))
            still = [lane for lane in self._writer.lanes if self._stands_still(lane)]
            self._look(still)

    async def insist(self, call: Callable[[], Awaitable[T]]) -> T:
        """What `call` gives, tried again as long as a submission may wait."""
        deadline = self._clock.monotonic() + self._seconds
        backoff = Backoff(0.05, 1.0)
        while True:
            try:
                return await call()
            except StoreUnavailable:
                if self._clock.monotonic() >= deadline:
                    raise
            await backoff.wait()

    def _stands_still(self, lane: Lane) -> bool:
        """Whether the first of what is to be written is the same as at the last look."""
        head = lane.sending[-1][0] if lane.sending and lane.sending[-1] else None
        before = self._heads.pop(lane.index, None)
        if head is not None:
            self._heads[lane.index] = head
        return head is not None and head is before

    def _look(self, lanes: list[Lane]) -> None:
        """Tell those who have waited for too long."""
        now, before, self._since = self._clock.monotonic(), self._since, {}
        for lane in lanes:
            sent = {change.run for batch in lane.sending for change in batch}
            for change in [*(each for batch in lane.sending for each in batch), *lane.queue]:
                run = change.run
                if change.new is None or not _awaited(run):
                    continue
                since = self._since[run] = before.get(run, now)
                if now - since >= self._seconds:
                    self._tell(run, run in sent)
            self._writer.forget_dropped(lane)

    def _tell(self, run: LiveRun, sent: bool) -> None:
        waited = f"the database has not answered for {self._seconds:g} seconds"
        if sent:
            run.fail(
                StoreUnavailable(
                    f"{waited}; whether run {run.id} is stored is not known, and it goes on if it"
                    " is. Submitting again may run it twice"
                )
            )
        else:
            self._unstorable(
                run, StoreUnavailable(f"{waited}; nothing of this submission is stored, try again")
            )


def _awaited(run: LiveRun) -> bool:
    """Whether a caller of ours waits for a run to be stored."""
    if run.dropped or run.stored or is_child(run.id):
        return False
    accepted = run.accepted is not None and not run.accepted.done()
    return accepted or bool(run.waiting)
