"""The order of sets survives another hash seed: in the outcome, in the calls, and
when one process recovers what another has begun."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

SEEDS = ("0", "1", "4242")


def in_process(
    seed: str, *arguments: str, module: str = "set_program", given: str = ""
) -> dict[str, Any]:
    found = subprocess.run(
        [sys.executable, "-m", f"tests.oracle.{module}", *arguments],
        input=given,
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONHASHSEED": seed},
    )
    result: dict[str, Any] = json.loads(found.stdout)
    return result


@cache
def corpus() -> dict[str, Any]:
    return in_process(SEEDS[0], module="corpus")


@pytest.mark.parametrize("seed", SEEDS[1:])
def test_real_work_is_the_same_under_another_hash_seed(seed: str) -> None:
    """Each program of the corpus makes the same calls in the same order, and ends
    with the same bytes."""
    assert in_process(seed, module="corpus") == corpus()


@cache
def first_run() -> dict[str, Any]:
    return in_process(SEEDS[0])


@pytest.mark.parametrize("seed", SEEDS[1:])
def test_a_run_is_the_same_under_another_hash_seed(seed: str) -> None:
    """Same calls in the same order, same journal, same result, byte for byte."""
    assert in_process(seed) == first_run()


@pytest.mark.parametrize("seed", SEEDS[1:])
def test_a_journal_is_recovered_under_another_hash_seed(seed: str) -> None:
    """No effect differs from what the journal says, and the result is the same."""
    recovered = in_process(seed, "recover", given=json.dumps(first_run()))
    assert recovered["value"] == first_run()["value"]
