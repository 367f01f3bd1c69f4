"""Runtimes over a given store, for tests: several of them play several processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from waymark.app import Ownership
from waymark.authoring.options import NO_OPTIONS, RunOptions
from waymark.authoring.workflow import definition_of
from waymark.runtime.backing import Backing
from waymark.runtime.clock import Clock
from waymark.runtime.runtime import Runtime
from waymark.runtime.surroundings import Surroundings
from waymark.settings import Settings
from waymark.store.protocol import Store


async def begin(
    store: Store, clock: Clock | None = None, **settings: Any
) -> tuple[Runtime, Ownership]:
    """A runtime of its own, as in a process of its own."""
    await store.open()
    chosen = Settings(**{"poll_seconds": 0.02, "drain_seconds": 5.0, **settings})
    surroundings = Surroundings() if clock is None else Surroundings(clock)
    backing = Backing(store, store.label)
    ownership = Ownership(chosen, surroundings=surroundings, backing=backing, link=False)
    return await ownership.begin(), ownership


@asynccontextmanager
async def serving(
    store: Store, clock: Clock | None = None, **settings: Any
) -> AsyncIterator[Runtime]:
    """A runtime around a block; stopped at its end."""
    runtime, ownership = await begin(store, clock, **settings)
    try:
        yield runtime
    finally:
        await ownership.end()


async def submit(
    runtime: Runtime, workflow: type, *args: Any, options: RunOptions = NO_OPTIONS
) -> UUID:
    definition = definition_of(workflow)
    return await runtime.client.submit(definition, definition.arguments.record(args, {}), options)


async def run(runtime: Runtime, workflow: type, *args: Any) -> Any:
    definition, client = definition_of(workflow), runtime.client
    recorded = definition.arguments.record(args, {})
    begun = client.begin(definition, recorded) or await client.begin_later(definition, recorded)
    run_id, ended = begun
    return client.decode(await ended, run_id, definition)


async def result(
    runtime: Runtime, run_id: UUID, workflow: type | None = None, timeout: float | None = None
) -> Any:
    definition = None if workflow is None else definition_of(workflow)
    return await runtime.client.result(run_id, definition, timeout)


async def until(true: Callable[[], bool]) -> None:
    """Returns once `true()` is; a hang is ended by the suite's timeout."""
    while not true():  # noqa: ASYNC110  # what is looked at tells nobody when it changes
        await asyncio.sleep(0.001)
