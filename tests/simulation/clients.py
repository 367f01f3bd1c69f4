"""Clients that live in no process: they send to runs, through any process, until that is said
to be done, whatever dies meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from random import Random
from typing import TYPE_CHECKING, Any
from uuid import UUID

from waymark.authoring.options import RunOptions
from waymark.errors import RunEnded, WaymarkError

from . import work
from .loop import until

if TYPE_CHECKING:
    from .simulate import Process, Simulation


def options(random: Random) -> RunOptions:
    """How a client submits: mostly as everybody does."""
    delay = random.choice([0.0, 0.0, 0.0, 0.0, 0.0, 0.5, 4.0, 12.0, 20.0]) * random.random()
    return RunOptions(delay, random.choice([0, 0, 0, 1, -1]))


def begin(simulation: Simulation, client: Coroutine[Any, Any, None]) -> None:
    """Let a client live, outside of all processes."""
    simulation.hold(simulation.loop.create_task(client, context=simulation.context))


async def say_words(simulation: Simulation, run_id: UUID, count: int) -> None:
    """Send one word after the other."""
    for number in range(count):
        await asyncio.sleep(simulation.random.expovariate(1.0))
        await insist(simulation, run_id, "send", "word", number, f"word {number}")


async def tidy(simulation: Simulation) -> None:
    """Say again what the database has lost since. Runs that wait for others, and whose
    submission nobody was told of, are cancelled: they would wait for ever. While one is
    spoken to, others may end and be removed."""
    waiting = {shape.__waymark__.name for shape in (work.Listening, work.Resting)}
    runs = simulation.server.database.runs
    while simulation.unfinished() or not simulation.written():
        await asyncio.sleep(20.0)
        for run_id in simulation.unfinished():
            known = simulation.account.known(run_id)
            if known is not None and known[0].cls is work.Listening:
                await say_words(simulation, run_id, *known[1])
            elif run_id in runs and runs[run_id].workflow in waiting:
                await insist(simulation, run_id, "cancel")


async def insist(simulation: Simulation, run_id: UUID, method: str, *what: Any) -> None:
    """Ask something of a run until some process says that it is sent."""
    sent = asyncio.Event()

    async def ask(process: Process) -> None:
        assert process.runtime is not None
        try:
            await getattr(process.runtime.client, method)(run_id, *what)
        except RunEnded:
            sent.set()
        except WaymarkError as error:
            simulation.say(f"{process.name}: not sent to {run_id}: {error}")
        else:
            sent.set()

    while not sent.is_set():
        await until(lambda: bool(simulation.ready()))
        process = simulation.random.choice(simulation.ready())
        process.spawn(ask(process))
        await until(sent.is_set, 2.0)
