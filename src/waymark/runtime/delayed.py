"""Runs that were submitted with a delay.

Such a run sleeps in the store, its beginning set to when it is due, and no process knows of
it; sweeps claim it as they claim whatever sleeps, up to two looks ahead. From then on it is
held here: in memory like any other run, so that it is given back, refused and forgotten with
them, but not begun until its time has come by the database's clock. Where time is virtual
there is nobody to claim it, so it is held from its submission on.

A cancellation ends it at once, like a task that is cancelled before its first step: nothing
of its body runs. Events stay in the inbox until it has begun.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ..store.records import EntryKind, Message, RunEnd, RunState
from ..values import dump_exception
from .clock import Clock
from .live_run import Change, LiveRun
from .timers import Timers
from .writer import Writer

#: The number of the timer that begins a run; the engine's own count from 0.
BEGIN = -1


class Delayed:
    """The runs of this process that wait to begin."""

    def __init__(self, clock: Clock, writer: Writer) -> None:
        self._writer = writer
        self._timers = Timers(clock, self._due)
        self._begin: dict[LiveRun, Callable[[], object]] = {}

    def hold(self, run: LiveRun, due_ns: int, begin: Callable[[], object]) -> None:
        """Call `begin` at `due_ns` of the engine's clock, if the run is ours then."""
        for closed in [known for known in self._begin if known.closed]:
            del self._begin[closed]
        self._begin[run] = begin
        self._timers.set(run, BEGIN, due_ns)

    def hear(self, run: LiveRun, message: Message) -> bool:
        """Whether the run waits to begin. A cancellation ends it."""
        if run not in self._begin:
            return False
        if message.kind == EntryKind.CANCEL and not run.closed:
            del self._begin[run]
            run.closed = True
            self._timers.drop(run, BEGIN)
            payload = dump_exception(asyncio.CancelledError())
            end = RunEnd(run.id, run.epoch, RunState.CANCELLED, 0, payload)
            self._writer.put(Change(run, None, [], end, None, [], len(payload)))
        return True

    def close(self) -> None:
        """Begin none any more."""
        self._timers.close()
        self._begin.clear()

    def _due(self, run: LiveRun, timer: int) -> None:
        begin = self._begin.pop(run, None)
        if begin is not None and not run.closed:
            begin()
