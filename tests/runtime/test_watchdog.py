"""A loop that stands still: who holds it up is named while it does."""

from __future__ import annotations

import asyncio
import logging
import re
import time

import pytest

from tests.runtime.serving import run, serving, until
from waymark import Workflow, action, workflow
from waymark.runtime import leases, watchdog
from waymark.store.memory import MemoryStore

pytestmark = pytest.mark.anyio

STILL = "the event loop has not turned for"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(watchdog, "STILL_SECONDS", 0.05)
    monkeypatch.setattr(watchdog, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(leases, "PULSE_SECONDS", 0.01)
    caplog.set_level(logging.WARNING, "waymark.watchdog")


captured: list[pytest.LogCaptureFixture] = []


def hold_up_until_named() -> None:
    """Blocks the loop until the other thread has said so."""
    deadline = time.monotonic() + 20
    while STILL not in captured[-1].text and time.monotonic() < deadline:
        time.sleep(0.005)


@action
async def blocks() -> str:
    hold_up_until_named()
    return "done"


@action
async def waits() -> str:
    await asyncio.sleep(0.3)
    return "done"


@workflow
class Blocks(Workflow):
    async def run(self) -> str:
        return await blocks()


@workflow
class Waits(Workflow):
    async def run(self) -> str:
        return await waits()


async def test_an_action_that_blocks_is_named(caplog: pytest.LogCaptureFixture) -> None:
    """With the line of its own, and where that leads; and the end of it is told."""
    captured.append(caplog)
    async with serving(MemoryStore()) as runtime:
        assert await run(runtime, Blocks) == "done"
        await until(lambda: "the event loop turns again" in caplog.text)
    here = re.escape(__file__)
    assert re.search(
        rf"action {__name__}:blocks is at {here}:\d+, in hold_up_until_named at {here}:\d+",
        caplog.text,
    )
    assert "a plain `def`, which runs in a thread" in caplog.text


async def test_whatever_else_blocks_is_named(caplog: pytest.LogCaptureFixture) -> None:
    """Code of the host as well."""
    captured.append(caplog)
    async with serving(MemoryStore()):
        await until(lambda: True)
        hold_up_until_named()
    assert re.search(rf"it is in hold_up_until_named at {re.escape(__file__)}:\d+", caplog.text)


async def test_a_loop_that_waits_is_not_blocked(caplog: pytest.LogCaptureFixture) -> None:
    """It turns; and one that was stopped with its process is about to."""
    async with serving(MemoryStore()) as runtime:
        assert await run(runtime, Waits) == "done"
    assert STILL not in caplog.text
