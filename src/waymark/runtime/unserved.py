"""Calls whose queue no live process serves: their runs say so, and go on when one does."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Container, Iterable
from typing import TYPE_CHECKING
from uuid import UUID

from ..store.tasks import TaskTable
from .client import DEFAULT_QUEUE
from .live_run import LiveRun

if TYPE_CHECKING:
    from .offers import Offered

log = logging.getLogger("waymark.tasks")

#: How often the log names a queue that is still missing.
SAY_SECONDS = 60.0


class Unserved:
    """A run is marked BLOCKED while all that it waits for waits for such queues."""

    def __init__(self, table: TaskTable, queues: Container[str], now: Callable[[], float]) -> None:
        self._table = table
        self._queues = queues
        self._now = now
        self._marked: dict[LiveRun, str] = {}
        self._said: dict[str, float] = {}

    def drop(self) -> None:
        """Our runs are not ours any more; who takes them unblocks them."""
        self._marked.clear()

    async def explain(
        self,
        worker: UUID,
        offered: Iterable[Offered],
        others: Callable[[UUID], Awaitable[list[list[str]]]],
    ) -> None:
        """Look at what is offered, and say of runs what has changed."""
        foreign = [each for each in offered if each.queue not in self._queues]
        if not foreign and not self._marked:
            return
        served = {queue for queues in await others(worker) for queue in queues}
        missing: dict[LiveRun, dict[int, Offered]] = {}
        for each in foreign:
            if each.queue not in served and not each.run.closed:
                missing.setdefault(each.run, {})[each.command.effect] = each
        reasons = {
            run: _reason(calls.values())
            for run, calls in missing.items()
            if calls.keys() >= run.attempts.keys()
        }
        for each in foreign:
            if each.run in missing and each.queue not in served:
                self._say(each.queue, each.command.action)
        await self._mark(worker, reasons)

    def _say(self, queue: str, action: str) -> None:
        now = self._now()
        if now - self._said.get(queue, -SAY_SECONDS) >= SAY_SECONDS:
            self._said[queue] = now
            log.warning("calls of %s wait: %s", action, _missing(queue))

    async def _mark(self, worker: UUID, reasons: dict[LiveRun, str]) -> None:
        for run in [run for run in self._marked if run.closed]:
            del self._marked[run]
        free = [run for run in self._marked if run not in reasons]
        done = set(await self._table.explain(worker, [(r.id, r.epoch) for r in free], None))
        for run in free:
            if run.id in done:
                self._marked.pop(run, None)
        anew: dict[str, list[LiveRun]] = {}
        for run, reason in reasons.items():
            if self._marked.get(run) != reason:
                anew.setdefault(reason, []).append(run)
        for reason, runs in anew.items():
            asked = [(run.id, run.epoch) for run in runs]
            done = set(await self._table.explain(worker, asked, reason))
            self._marked.update({run: reason for run in runs if run.id in done})


def say_useless(queues: Iterable[str], named: Iterable[str | None]) -> None:
    """Warn of what is served here although no action asks for it: a misspelt name, or actions of
    a module that was not imported before the start. `named` are the queues of actions, or None,
    where an action goes to the queue of its run."""
    known = {DEFAULT_QUEUE, *(name for name in named if name is not None)}
    for queue in queues:
        if queue not in known:
            log.warning(
                "queues=%r serves nothing: no action that is registered here names the queue %r"
                " (they name %s); import its module before the start, or mend the name",
                queue,
                queue,
                ", ".join(sorted(known)),
            )


def _missing(queue: str) -> str:
    return (
        f"no live process serves the queue {queue!r}; start one with"
        f" `waymark worker --queues {queue} <module>` or waymark.start(queues=...)"
    )


def _reason(calls: Iterable[Offered]) -> str:
    """Deterministic, and short however many calls there are."""
    actions = sorted({(each.queue, each.command.action) for each in calls})
    queue = actions[0][0]
    names = ", ".join(dict.fromkeys(action for each, action in actions if each == queue))
    return f"{names}: {_missing(queue)}"
