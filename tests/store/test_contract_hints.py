"""Hints between processes, on every store."""

from __future__ import annotations

import asyncio

import pytest

from tests.store.conftest import Cluster

pytestmark = pytest.mark.anyio

#: A hint may be lost; it is repeated until it was heard, at most this often.
TRIES = 200


class Ear:
    """Notes topics, and lets a test wait for one."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self._something = asyncio.Event()

    def __call__(self, topic: str) -> None:
        self.heard.append(topic)
        self._something.set()

    async def wait_until_quiet_or(self, topic: str) -> bool:
        self._something.clear()
        try:
            async with asyncio.timeout(0.05):
                while topic not in self.heard:
                    await self._something.wait()
                    self._something.clear()
        except TimeoutError:
            return False
        return True


async def test_others_hear_a_hint(cluster: Cluster) -> None:
    """What one process hints, the others hear in their loop."""
    speaker, listener = await cluster.open(), await cluster.open()
    ear = Ear()
    listener.listen(ear)
    # Whoever begins to listen may be told at once what it could have missed.
    await ear.wait_until_quiet_or("done")
    ear.heard.clear()
    for _ in range(TRIES):
        speaker.hint("done")
        if await ear.wait_until_quiet_or("done"):
            break
    assert set(ear.heard) == {"done"}


async def test_a_hint_is_harmless_when_nobody_can_hear(cluster: Cluster) -> None:
    """Hinting never raises: not with no listener, not after the store was closed."""
    store = await cluster.open()
    store.hint("runs")
    await store.close()
    store.hint("runs")


async def test_who_has_closed_hears_nothing_more(cluster: Cluster) -> None:
    """A closed store leaves its listener alone."""
    speaker, listener = await cluster.open(), await cluster.open()
    ear = Ear()
    listener.listen(ear)
    await ear.wait_until_quiet_or("done")
    await listener.close()
    ear.heard.clear()
    speaker.hint("runs")
    await ear.wait_until_quiet_or("runs")
    assert ear.heard == []
