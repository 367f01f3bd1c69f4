"""A loop that stands still: who holds it up is named while it does."""

from __future__ import annotations

import asyncio
import logging
import re
import sys
import threading
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


@workflow
class Blocks(Workflow):
    async def run(self) -> str:
        return await blocks()


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
    """However long ago it turned, as after a stop of the whole process: it is about to."""
    watch, loop = watchdog.Watchdog(), threading.get_ident()
    waiting = "selectors.py"

    def look_when_it_waits() -> str:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            found = sys._current_frames()[loop].f_code.co_filename  # pyright: ignore[reportPrivateUsage]  # as the watchdog does
            if found.endswith(waiting):
                watch.look(3600)
                return found
        return "nowhere"

    assert (await asyncio.to_thread(look_when_it_waits)).endswith(waiting)
    assert STILL not in caplog.text
