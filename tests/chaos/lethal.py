"""A process whose actions harm it: one kills it, one holds up its event loop.

    python -m tests.chaos.lethal URL SCHEMA NAMES [--lease SECONDS]

It submits the workflows NAMES (with commas in between), prints `ready`, and executes
whatever it finds until SIGTERM.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
import time

import waymark
from waymark import Workflow, action, workflow


@action
async def lethal() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@action
async def innocent(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "done"


@action
async def blocking(seconds: float) -> str:
    time.sleep(seconds)  # noqa: ASYNC251  # the point
    return "done"


@workflow
class Lethal(Workflow):
    async def run(self) -> None:
        await innocent(0.0)
        await lethal()


@workflow
class Innocent(Workflow):
    async def run(self) -> str:
        return await innocent(0.5)


@workflow
class Blocking(Workflow):
    async def run(self) -> str:
        return await blocking(5.0)


WORKFLOWS: dict[str, type[Workflow]] = {
    workflow.__name__: workflow for workflow in (Lethal, Innocent, Blocking)
}


async def main(options: argparse.Namespace) -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    async with waymark.running(
        options.url, schema=options.schema, lease_seconds=options.lease, poll_seconds=0.1
    ):
        for name in filter(None, options.names.split(",")):
            await WORKFLOWS[name]().submit()
        print("ready", flush=True)
        await stopping.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.lethal")
    parser.add_argument("url")
    parser.add_argument("schema")
    parser.add_argument("names")
    parser.add_argument("--lease", type=float, default=1.0)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    asyncio.run(main(parser.parse_args(sys.argv[1:])))
