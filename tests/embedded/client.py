"""An application that shares an embedded server, told what to do line by line.

Run as its own process, so that a test can kill it, be five of it, or be it as
another user. Each line of input is one JSON command, each line of output its answer.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from waymark.store.embedded import EmbeddedServer

servers: dict[str, EmbeddedServer] = {}


def import_embedded() -> ModuleType:
    """This part of Waymark alone: the whole of it would take most of a test's time."""
    if "waymark" in sys.modules:
        return sys.modules["waymark.store.embedded"]
    spec = find_spec("waymark")
    assert spec is not None
    package = ModuleType("waymark")
    package.__path__ = list(spec.submodule_search_locations or ())
    sys.modules["waymark"] = package
    return importlib.import_module("waymark.store.embedded")


def start(name: str, directory: str | None) -> dict[str, Any]:
    began = time.perf_counter()
    embedded = import_embedded()
    server: EmbeddedServer = embedded.start_embedded(directory and Path(directory))
    servers[name] = server
    return {
        "dsn": server.dsn(),
        "directory": str(server.data_directory),
        "socket": str(server.socket_directory),
        "major": server.major,
        "seconds": time.perf_counter() - began,
    }


def query(name: str, sql: str) -> list[list[Any]]:
    import asyncpg  # only some applications ask anything

    async def ask() -> list[list[Any]]:
        connection = await asyncpg.connect(servers[name].dsn())
        try:
            return [list(row) for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    return asyncio.run(ask())


def fork(name: str) -> int:
    """A child that lives until it is killed, and tries to give the share up."""
    child = os.fork()
    if child == 0:
        servers[name].close()
        signal.pause()
        os._exit(0)
    return child


def main() -> None:
    commands: dict[str, Callable[..., Any]] = {
        "start": start,
        "query": query,
        "fork": fork,
        "lock": lambda name, worker: servers[name].lock_worker(UUID(worker)),
        "unlock": lambda name, worker: servers[name].unlock_worker(UUID(worker)),
        "dead": lambda name, workers: [
            str(worker) for worker in servers[name].dead_workers(UUID(text) for text in workers)
        ],
        "ensure": lambda name: servers[name].ensure_running(),
        "close": lambda name, wait_seconds=0.0: servers[name].close(wait_seconds),
    }
    for line in sys.stdin:
        order = json.loads(line)
        try:
            answer = {"value": commands[order.pop("do")](**order)}
        except Exception as error:  # the test judges it
            answer = {"error": type(error).__name__, "message": str(error)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
