"""A process of one version of an application, for tests of deploys.

    python -m tests.chaos.deployed DIRECTORY --url URL --schema SCHEMA

imports the module `shop` from DIRECTORY and runs Waymark. Each line on stdin is a
submission, the name of a workflow and its arguments as JSON; it is answered by the run's id.
SIGTERM stops it; what is under way is given back at once.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import signal
import sys

import waymark


async def serve(options: argparse.Namespace) -> None:
    sys.path.insert(0, options.directory)
    shop = importlib.import_module("shop")
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)

    async def submit() -> None:
        while line := await lines.readline():
            name, *args = json.loads(line)
            handle = await getattr(shop, name)().submit(*args)
            print(handle.id, flush=True)

    async with waymark.running(
        options.url, schema=options.schema, drain_seconds=0.0, poll_seconds=0.05
    ):
        print("ready", flush=True)
        submitting = loop.create_task(submit())
        await stopping.wait()
        submitting.cancel()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.deployed")
    parser.add_argument("directory")
    parser.add_argument("--url", required=True)
    parser.add_argument("--schema", required=True)
    asyncio.run(serve(parser.parse_args()))
