"""Counted instructions, which CI holds a change to: no other work on the machine moves them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benches import instructions, moved, stored
from benches.figures import Figure, paired
from benches.layers import counting

ROOT = Path(__file__).resolve().parents[2]


def test_no_pure_part_executes_more_than_the_stored_count_allows() -> None:
    """Engine, codec, compiler and columns stay within five per cent of `baseline.json`."""
    done = subprocess.run(
        [sys.executable, "-m", "benches.instructions", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing is stored" not in done.stdout, done.stdout


def test_every_instruction_is_counted() -> None:
    """Also those of code that runs for the first time, and in proportion to the work."""

    def turns(count: int) -> int:
        total = 0
        for number in range(count):
            total += number
        return total

    counted = []
    for count in (100, 200, 300):
        with counting() as (instructions, calls):
            turns(count)
        counted.append(instructions[turns.__code__])
        assert calls[turns.__code__] == 1

    assert counted[0] >= 400
    assert counted[2] - counted[1] == counted[1] - counted[0] >= 400


def test_more_than_the_margin_is_told() -> None:
    lines, worse = instructions.compared(
        {"transition": 106, "columns": 104, "compile": 80, "load": 7},
        {"transition": 100, "columns": 100, "compile": 100},
    )

    assert worse == ["transition"]
    assert [line.split(maxsplit=2)[2] for line in lines] == [
        "+6.0% MORE",
        "+4.0%",
        "-20.0% less: --write",
        "new",
    ]


def test_a_check_fails_and_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in instructions.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(instructions, "in_python", lambda: {"columns": 106})
    known = {instructions.PYTHON: {instructions.minor(): {"columns": 100}}}
    monkeypatch.setattr(stored, "read", lambda: known)

    with pytest.raises(SystemExit, match=r"more than 5% above .*: columns\. .*--write"):
        instructions.main(["--check"])
    assert "+6.0% MORE" in capsys.readouterr().out


def test_only_what_is_beyond_the_noise_of_both_has_moved() -> None:
    before = {
        "quiet": {"value": 0.20, "noise": 0.02, "unit": "runs/s"},
        "slower": {"value": 0.20, "noise": 0.02, "unit": "runs/s"},
        "noisy": {"value": 0.20, "noise": 0.25, "unit": "runs/s"},
        "memory": {"value": 20.0, "noise": 0.0, "unit": "MiB"},
    }
    figures = [
        Figure("quiet", "quiet", 1, "runs/s", 1, 0.21, noise=0.02),
        Figure("slower", "slower", 1, "runs/s", 1, 0.16, noise=0.02),
        Figure("noisy", "noisy", 1, "runs/s", 1, 0.26, noise=0.1),
        Figure("memory", "memory", 15.0, "MiB"),
        Figure("late", "late", 1.0, "ms"),
    ]

    assert moved.moved(figures, before) == [
        "WORSE   slower: -20%",
        "better  memory: -25%",
        "new     late",
    ]


def test_the_noise_of_pairs_is_that_of_their_middle_half() -> None:
    """One pair that something else disturbed moves neither the ratio nor its noise."""
    figure = paired("x", "x", "runs/s", [(10, 1.9), (10, 2), (10, 2.1), (10, 9), (10, 2)])

    assert (figure.ratio, figure.limit, figure.value) == (0.2, 10, 2)
    assert figure.noise == pytest.approx(0.025)
