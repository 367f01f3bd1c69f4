"""A process with one action that takes long, or, in another process, no time.

    python -m tests.chaos.vigil ACKED SEED [--busy 1] ...

With `--busy 1` it submits a run and waits for its result; then its attempt lasts for ever.
It prints what happens to it: `ready`, `begun`, `cancelled`, `told NUMBER`.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import waymark
from tests.chaos.child import parse
from waymark import Workflow, action, workflow

#: Whether an attempt lasts for ever in this process.
lasting: list[bool] = []


@action
async def watch() -> int:
    """Which process it ended in."""
    print("begun", flush=True)
    try:
        if lasting:
            await asyncio.Event().wait()
    except asyncio.CancelledError:
        print("cancelled", flush=True)
        raise
    return os.getpid()


@workflow
class Vigil(Workflow):
    async def run(self) -> int:
        return await watch()


async def main(arguments: list[str]) -> None:
    options = parse(arguments)
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    async with waymark.running(
        options.url,
        schema=options.schema,
        lease_seconds=options.lease,
        poll_seconds=options.poll,
        drain_seconds=0.0,
    ):
        print("ready", flush=True)
        if options.busy:
            lasting.append(True)
            print(f"told {await Vigil().run()}", flush=True)
        await stopping.wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
