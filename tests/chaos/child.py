"""A process to be killed: runs Waymark and submits as much as it is told to.

    python -m tests.chaos.child ACKED SEED [--busy N] [--queues default] [--lease SECONDS] ...

It writes `ready` to stdout once it takes work, and each run whose submission returned
to the file ACKED, in that order: the parent holds Waymark to those. SIGTERM stops it.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import waymark
from tests.chaos.shapes import LARGE, SHAPES


async def submit_for_ever(acked: int, chance: random.Random, names: list[str]) -> None:
    """One user: submit, note the run, wait for its end, again."""
    while True:
        name, number = chance.choice(names), chance.randrange(1000)
        shape = {**SHAPES, **LARGE}[name]
        try:
            handle = await shape.workflow().submit(number)
            os.write(acked, f"{handle.id} {name} {number}\n".encode())
            result = await handle.result()
        except waymark.StoppingError:
            return
        except waymark.StoreUnavailable as error:
            print(f"unavailable: {error}", flush=True)
            continue
        if not shape.fits(number, result):
            print(f"wrong: run {handle.id} of {name}({number}) gave {result!r}", flush=True)
        await asyncio.sleep(chance.uniform(0, 0.02))


@asynccontextmanager
async def started(url: str | None, **settings: Any) -> AsyncIterator[None]:
    """Waymark, as soon as the database can be reached."""
    while True:
        try:
            await waymark.start(url, **settings)
            break
        except waymark.StoreError as error:
            print(f"not started: {error}", file=sys.stderr, flush=True)
            await asyncio.sleep(0.1)
    try:
        yield
    finally:
        await waymark.stop()


async def main(options: argparse.Namespace) -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    chance = random.Random(options.seed)
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    acked = os.open(options.acked, flags, 0o644)
    async with started(
        options.url,
        data_directory=options.directory,
        schema=options.schema,
        lease_seconds=options.lease,
        poll_seconds=options.poll,
        resident_runs_max=options.resident,
        queues=options.queues,
        concurrency=options.concurrency,
        park_after_seconds=options.park,
        drain_seconds=1.0,
    ):
        print("ready", flush=True)
        names = [options.shape] if options.shape else list(SHAPES)
        users = [
            asyncio.create_task(submit_for_ever(acked, random.Random(chance.random()), names))
            for _ in range(options.busy)
        ]
        stopped = asyncio.create_task(stopping.wait())
        done, _ = await asyncio.wait([stopped, *users], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        for task in users:
            task.cancel()
        await asyncio.gather(*users, return_exceptions=True)


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.child")
    parser.add_argument("acked", help="file of submitted runs")
    parser.add_argument("seed", type=int)
    parser.add_argument("--url")
    parser.add_argument("--directory")
    parser.add_argument("--schema", default="waymark")
    parser.add_argument("--busy", type=int, default=0, help="users that submit at once")
    parser.add_argument("--queues", default="default", help="empty only submits")
    parser.add_argument("--lease", type=float, default=2.0)
    parser.add_argument("--poll", type=float, default=0.1)
    parser.add_argument("--park", type=float, default=0.1)
    parser.add_argument("--resident", type=int, default=200)
    parser.add_argument("--concurrency", type=int, default=500)
    parser.add_argument("--shape", help="submit only this; default: those of `SHAPES`")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    asyncio.run(main(parse(sys.argv[1:])))
