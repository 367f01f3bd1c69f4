"""Answers of the server that never arrive: what was asked has been committed, and nobody
here knows it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest

from tests.chaos.load import gates, loaded
from tests.chaos.test_database import hold_to_the_promises
from tests.database import execute
from tests.relay import CUT, PASS, SWALLOW, relay_to
from tests.server import Server, private_server
from waymark.errors import StoreUnavailable
from waymark.store.postgres import PostgresStore
from waymark.store.postgres.connecting import Connector

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.chaos,
    pytest.mark.usefixtures("heard_in_vain"),
]

TROUBLES_MIN = 40


@pytest.fixture
def server() -> Iterator[Server]:
    with private_server() as server:
        execute(server.url, "create role app login", "grant create on database postgres to app")
        yield server


@pytest.mark.parametrize("seed", range(2))
async def test_answers_that_are_lost_with_their_connection(
    seed: int, server: Server, effects: Path
) -> None:
    """Between the commit of a statement and its answer the connection goes, again and
    again, whatever statement it is: a flush, a claim, a beat, the first words of a session."""
    chance = random.Random(seed)
    async with relay_to(server) as relay:
        relay.fate = lambda answer: PASS
        async with loaded(relay.url(), server.url, submit_timeout_seconds=60.0) as load:
            relay.fate = lambda answer: CUT if chance.random() < 0.05 else PASS
            gates[-1].set()
            async with asyncio.timeout(120):
                while relay.lost < TROUBLES_MIN:
                    await load.progress(5)
            relay.fate = lambda answer: PASS
            await load.progress()
            assert await load.endured() == 3
            await hold_to_the_promises(load, effects)


async def test_a_network_that_swallows_answers(
    server: Server, effects: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every connection that is used falls silent, and none of them ends. Each is given up
    after its time, and all goes on over others."""
    hasty = partial(Connector, statement_timeout_seconds=5.0)
    monkeypatch.setattr("waymark.store.postgres.store.Connector", hasty)
    async with (
        relay_to(server) as relay,
        loaded(relay.url(), server.url, submit_timeout_seconds=60.0) as load,
    ):
        gates[-1].set()
        for _ in range(2):
            relay.fate = lambda answer: SWALLOW
            before = relay.lost
            while relay.lost < before + 3:  # noqa: ASYNC110  # the relay tells nobody
                await asyncio.sleep(0.01)
            relay.fate = lambda answer: PASS
            await load.progress()
        assert await load.endured() == 3
        await hold_to_the_promises(load, effects)


async def test_who_gives_up_is_not_held_up(server: Server) -> None:
    """A statement whose task is cancelled while the network swallows its answer: nobody
    waits for the server to confirm that."""
    async with relay_to(server) as relay:
        store = PostgresStore(relay.url())
        await store.open()
        assert await store.read_runs([uuid4()]) == {}
        relay.fate = lambda answer: SWALLOW
        asking = asyncio.create_task(store.read_runs([uuid4()]))
        while not relay.lost:  # noqa: ASYNC110  # the relay tells nobody
            await asyncio.sleep(0.01)
        asking.cancel()
        await asyncio.wait([asking], timeout=30)
        assert asking.cancelled()
        relay.fate = lambda answer: PASS
        assert await store.read_runs([uuid4()]) == {}
        await store.close()


async def test_a_connection_that_is_never_answered_is_a_failure(server: Server) -> None:
    """The time limit of connecting cancels, and takes that back: nobody's task is cancelled."""
    async with relay_to(server) as relay:
        store = PostgresStore(relay.url(), connect_timeout_seconds=0.3)
        await store.open()
        relay.fate = lambda answer: SWALLOW
        with pytest.raises(StoreUnavailable, match="TimeoutError"):
            await store.read_runs([uuid4()])
        relay.fate = lambda answer: PASS
        assert await store.read_runs([uuid4()]) == {}
        await store.close()
