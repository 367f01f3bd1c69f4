"""When virtual time may jump: the test waits for a run, and nothing can move.

Checked over a few turns of the loop, since the test's own code may be about to do
something: whoever was told a result in this turn goes on in the next.
"""

from __future__ import annotations

import asyncio

from .scheduler import Scheduler
from .waiters import Waiters

#: Turns of the loop without anything happening before time jumps.
QUIET_TURNS = 5


def jump_when_at_rest(scheduler: Scheduler, waiters: Waiters, turn: int = 0) -> None:
    """Look again for some turns of the loop, then let time jump to the next alarm."""
    if scheduler.at_work() or not (len(waiters) or _awaited(scheduler)):
        return
    if turn < QUIET_TURNS:
        asyncio.get_running_loop().call_soon(jump_when_at_rest, scheduler, waiters, turn + 1)
        return
    while scheduler.clock.jump():
        if scheduler.at_work():
            return


def _awaited(scheduler: Scheduler) -> bool:
    """Whether somebody waits for a run of this process."""
    return any(run.waiting for run in scheduler.runs.values())
