"""A whole run, from `await run()` to its result, on the default settings."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import waymark
from benches.workloads import SCHEMA, OneAction, run_fan_out, run_many


@pytest.fixture(scope="module", autouse=True)
def started(dsn: str, runner: asyncio.Runner) -> Iterator[None]:
    runner.run(_start(dsn))
    yield
    runner.run(waymark.stop())


async def _start(dsn: str) -> None:
    await waymark.start(dsn, schema=SCHEMA)


def test_one_action_idle(benchmark: BenchmarkFixture, runner: asyncio.Runner) -> None:
    assert benchmark(lambda: runner.run(OneAction().run(7))) == 7


def test_200_runs_side_by_side(benchmark: BenchmarkFixture, runner: asyncio.Runner) -> None:
    benchmark.pedantic(lambda: runner.run(run_many(200, 200)), rounds=10, warmup_rounds=2)


def test_gather_of_1000(benchmark: BenchmarkFixture, runner: asyncio.Runner) -> None:
    benchmark.pedantic(lambda: runner.run(run_fan_out(1_000)), rounds=10, warmup_rounds=2)
