"""How long nothing moves when PostgreSQL restarts.

    python -m benches.restart --restarts 5 --seconds-down 3

A server of its own falls without a checkpoint (`immediate`) under load, stays down for so
long, and comes back. Printed for each restart: how long it took no connections, the
longest time without a run that ended, and the difference.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import time

import waymark
from tests.server import Server, private_server
from waymark import Workflow, action, workflow

USERS = 50


@action
async def step(number: int) -> int:
    return number + 1


@workflow
class Chain(Workflow):
    async def run(self, number: int) -> int:
        number = await step(number)
        number = await step(number)
        return await step(number)


class Progress:
    """When runs ended."""

    def __init__(self) -> None:
        self.last = time.monotonic()
        self.longest = 0.0
        self.ended = 0

    def note(self) -> None:
        now = time.monotonic()
        self.longest = max(self.longest, now - self.last)
        self.last = now
        self.ended += 1

    async def more(self, count: int) -> None:
        wanted = self.ended + count
        while self.ended < wanted:  # noqa: ASYNC110  # those who end runs tell nobody
            await asyncio.sleep(0.01)


async def use(progress: Progress) -> None:
    while True:
        await Chain().run(1)
        progress.note()


async def fall(server: Server, seconds: float) -> float:
    """Let the server fall and come back; returns how long it took no connections."""
    began = time.monotonic()
    await asyncio.to_thread(server.stop)
    await asyncio.sleep(seconds)
    await asyncio.to_thread(server.start)
    return time.monotonic() - began


async def measure(server: Server, restarts: int, seconds: float) -> None:
    async with waymark.running(server.url):
        progress = Progress()
        users = [asyncio.create_task(use(progress)) for _ in range(USERS)]
        await progress.more(1000)
        for number in range(1, restarts + 1):
            progress.longest = 0.0
            down = await fall(server, seconds)
            await progress.more(1000)
            beyond = progress.longest - down
            print(
                f"restart {number}: down {down:.2f} s, longest gap {progress.longest:.2f} s,"
                f" beyond its own {beyond:.2f} s",
                flush=True,
            )
        for user in users:
            user.cancel()
        await asyncio.gather(*users, return_exceptions=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benches.restart")
    parser.add_argument("--restarts", type=int, default=5)
    parser.add_argument("--seconds-down", type=float, default=3.0)
    options = parser.parse_args()
    logging.getLogger("waymark").setLevel(logging.ERROR)
    with private_server() as server:
        asyncio.run(measure(server, options.restarts, options.seconds_down))


if __name__ == "__main__":
    main()
