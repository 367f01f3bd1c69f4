"""Work of one run spread over processes: the table of tasks, from both of its sides.

Rules

1.  A run belongs to its owner alone. What others do for it is single attempts of its
    action calls. A row of `tasks` is such an attempt: everything it takes to make it,
    who makes it, and what became of it.
2.  The owner offers (`offers`), whoever serves the action's queue claims (`guests`), also
    the owner itself once it has nothing else to do. The claimer makes the attempt as one
    of its own (same slots, dependencies, context, limits, timeouts; its time begins where
    it runs) and writes the outcome into the row. The owner reads it, gives it to the run's
    engine like any outcome, and deletes the row when the journal has the entry.
3.  The owner alone writes the journal, so an outcome is recorded once however often
    an attempt was made.
4.  A claimer makes one attempt. It holds the failed attempt against the retry policy, since
    it has the exception; that there is another attempt, and when, it tells the owner, who
    records this as it does for an attempt of its own. So the count stands in the journal
    and nowhere else; the next attempt is a new offer, or the owner's own.
    What attempts say of themselves travels with them (`reports`): in the offer, in the row
    while one is made and when it is given back, and to the owner with a failure.
5.  A process that has no other beside it never writes a row, save for calls whose queue
    it does not serve. What is offered beside those is what own slots would not
    get round to soon (`overflow`).

Why this is sound. A row means the same whoever owns the run, since effects have the same
numbers and arguments in every recovery: a new owner finds the rows of the last one, waits
for those of what is still open, and deletes the others (`Offers.adopt`). So nothing about
the run's epoch stands in it. It is deleted only when the journal has the outcome, or when
the call is no longer wanted: both stay true, so a delete that arrives late does no harm
(one of an earlier attempt of the same call spares the next). An offer that arrives late
leaves a row that nobody waits for; the owner deletes what it does not know, and what is
left of ended runs goes once a minute (`forget_orphaned`).

A claim has a number. What a claimer writes names it, so that one who was declared dead,
and whose attempt is another's now, is refused. What was lost on the way is found by
comparing: a claimer lists what it holds, cancels what is gone (the call was cancelled, or
is another's) and gives back what it knows nothing of; an owner lists what it has offered
and makes attempts whose row is gone itself. All statements of one side are sent by one
task one after the other, so no answer is older than what is in memory.

Who dies: a claimer's rows are free with its own row in `workers`, as runs are. A row that
`LOST_MAX` claimers died of is claimed no more, and its run is quarantined; from the second
death on nobody holds two such rows, so that only the one at fault gets there. An owner's
rows stay as they are, attempts go on and keep their outcomes for the next owner. Hints
(`tasks`, `outcomes`) make all of it fast; polling makes it true.

Cancelling a call deletes its row; its claimer hears of that by a hint, or when it lists
what it holds. The owner waits for nothing, as it does not wait for an attempt of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol
from uuid import UUID

from ..errors import Fenced, StoreUnavailable
from ..settings import Settings
from ..store.protocol import Store
from .backoff import Backoff
from .executor import Executor
from .guests import Guests
from .nudge import Nudge
from .offers import Offers
from .scheduler import Scheduler

log = logging.getLogger("waymark.tasks")


class _Side(Protocol):
    nudge: Nudge

    async def turn(self, worker: UUID) -> float | None:
        """Do what is to be done; returns how long to wait for a nudge, None to end."""
        ...


class Tasks:
    """Both sides in one process. `fenced` is told of a name that is dead."""

    def __init__(
        self,
        offers: Offers,
        guests: Guests,
        worker: Callable[[], UUID],
        fenced: Callable[[UUID], object],
        hint: Callable[[str], None],
    ) -> None:
        self.offers = offers
        self.guests = guests
        self._worker = worker
        self._fenced = fenced
        self._hint = hint
        offers.hint = guests.hint = self._tell

    async def serve_offers(self) -> None:
        """Until cancelled."""
        await self._serve(self.offers)

    async def serve_guests(self) -> None:
        """Until cancelled, or everything is given back."""
        await self._serve(self.guests)

    def notice(self, topic: str) -> None:
        """Something may have changed, here or elsewhere."""
        if topic == "tasks":
            self.guests.look()
        else:
            self.offers.look()

    def give_up(self) -> None:
        """Everything belongs to a name that is dead."""
        self.offers.drop()
        self.guests.drop()

    def _tell(self, topic: str) -> None:
        self.notice(topic)
        self._hint(topic)

    async def _serve(self, side: _Side) -> None:
        backoff = Backoff(0.05, 2.0)
        while True:
            worker = self._worker()
            pause: float | None = 0.0
            try:
                pause = await side.turn(worker)
            except StoreUnavailable as error:
                log.debug("tasks cannot be looked at now: %s", error)
                await backoff.wait()
                continue
            except Fenced:
                self._fenced(worker)
                await backoff.wait()
                continue
            if pause is None:
                return
            backoff = Backoff(0.05, 2.0)
            await side.nudge.wait(pause)


def share_tasks(
    store: Store,
    settings: Settings,
    scheduler: Scheduler,
    ending: Callable[[], bool],
    worker: Callable[[], UUID],
    fenced: Callable[[UUID], object],
) -> Tasks:
    """Both sides, put between a scheduler and its executor. Attempts for others are made
    by an executor of their own, in the same slots."""
    own, poll_seconds = scheduler.executor, settings.poll_seconds
    visiting = Executor(
        own.slots, own.payload_bytes_max, own.threads, scheduler.deliver, ending, scheduler.wake
    )
    visiting.running, visiting.reports = own.running, own.reports
    offers = Offers(store.tasks, scheduler, settings.queues, poll_seconds)
    guests = Guests(
        store.tasks,
        own,
        visiting,
        settings.queues,
        poll_seconds,
        scheduler.clock,
        scheduler.may_start,
        scheduler.wake,
        scheduler.context,
    )
    own.reports.guest = guests.run_of
    # Where time is virtual nobody else is there, as in a user's tests.
    own.queues = None if scheduler.clock.virtual else settings.queues
    own.send = offers.send
    scheduler.crowded, scheduler.unwanted = offers.overflow.crowded, offers.cancel
    return Tasks(offers, guests, worker, fenced, store.hint)
