"""The runtime removes what ended long ago, batch by batch, and stops in between."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import pytest

from tests.runtime.serving import begin, result, run, serving, submit, until
from tests.runtime.workflows import Double, Stage
from waymark.errors import RunNotFound, SettingsError, StoreUnavailable
from waymark.runtime import retention
from waymark.runtime.clock import WallClock
from waymark.runtime.retention import Retention
from waymark.settings import Settings, load_settings
from waymark.store.memory import MemoryDatabase, MemoryStore
from waymark.store.protocol import Store

pytestmark = pytest.mark.anyio

DAY_SECONDS = 86_400.0


@pytest.fixture(autouse=True)
def haste(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks come at once, and batches are small."""
    monkeypatch.setattr(retention, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(retention, "PAUSE_SECONDS_MIN", 0.001)
    monkeypatch.setattr(retention, "RUNS_MAX", 3)


async def test_finished_runs_are_removed_when_their_time_is_up(
    new_store: Callable[[], Store], stage: Stage
) -> None:
    """By the database's clock, in as many batches as it takes."""
    looking = new_store()
    await looking.open()
    async with serving(new_store()) as runtime:
        ids = [await submit(runtime, Double, number) for number in range(10)]
        for number, run_id in enumerate(ids):
            assert await result(runtime, run_id, Double) == 2 * number
    assert len(await looking.read_runs(ids)) == 10
    async with serving(new_store(), retention_days=1e-9) as runtime:
        while await looking.read_runs(ids):  # noqa: ASYNC110  # nobody tells of it
            await asyncio.sleep(0.01)
        assert await looking.read_journal(ids) == {}
        with pytest.raises(RunNotFound):
            await result(runtime, ids[0], Double)
    await looking.close()


async def test_younger_ones_stay_and_never_means_never(stage: Stage) -> None:
    """Thirty days are the default; "never" asks for no statement at all."""
    database = MemoryDatabase()
    looks: list[float] = []

    class Watched(MemoryStore):
        async def remove_finished(
            self, seconds: float, runs_max: int, entries_max: int
        ) -> tuple[int, int]:
            looks.append(seconds)
            return await super().remove_finished(seconds, runs_max, entries_max)

    async with serving(Watched(database)) as runtime:
        assert await run(runtime, Double, 1) == 2
        await until(lambda: len(looks) > 2)
    assert set(looks) == {30 * DAY_SECONDS}
    assert len(database.runs) == 1
    looks.clear()
    settings = load_settings({"retention_days": "never"}, {})
    assert settings.retention_days is None
    await Retention(Watched(database), settings, WallClock()).serve()
    await Retention(Watched(database), Settings(queues=()), WallClock()).serve()
    assert looks == []


async def test_a_database_that_is_away_is_tried_again(stage: Stage) -> None:
    """Retention never fails a runtime."""
    tries: list[str] = []

    class Away(MemoryStore):
        async def remove_finished(
            self, seconds: float, runs_max: int, entries_max: int
        ) -> tuple[int, int]:
            tries.append("try")
            raise StoreUnavailable("away")

    async with serving(Away()) as runtime:
        await until(lambda: len(tries) > 2)
        assert await run(runtime, Double, 1) == 2


async def test_leaving_does_not_wait_until_all_is_removed(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Between two batches a stop is heard."""
    monkeypatch.setattr(retention, "PAUSE_SECONDS_MIN", 3600.0)
    database = MemoryDatabase()
    with caplog.at_level(logging.INFO, "waymark.retention"):
        runtime, ownership = await begin(
            MemoryStore(database), retention_days=1e-9, queues=("default",)
        )
        for number in range(10):
            await run(runtime, Double, number)
        await until(lambda: len(database.runs) < 10)
        await ownership.end()
    assert database.runs


@pytest.mark.parametrize("value", ["soon", 0, -1, "", True])
def test_a_time_that_is_none_is_refused(value: object) -> None:
    """The message says what is accepted."""
    with pytest.raises(SettingsError, match=r'a number of days of at least 0.01, or "never"'):
        load_settings({"retention_days": value}, {})
