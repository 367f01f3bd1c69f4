"""One scripted crash after each journal entry recovers to the same outcome.

This is the first proof that the issue asks for, so it stands under its own name
for its two programs; `test_corpus` does the same for all others.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.oracle import programs as p
from tests.oracle.host import compiled_outcome, plain_outcome


def crashes(cls: Any, *args: Any) -> list[int]:
    """Crash after each entry; returns how many action calls each recovery made
    again."""
    plain = plain_outcome(cls.__waymark__, *args)
    whole, host = compiled_outcome(cls.__waymark__, *args)
    assert whole == plain
    again = []
    for count in range(len(host.entries) + 1):
        outcome, crashed = compiled_outcome(cls.__waymark__, *args, crash_after=count)
        assert crashed.crashes == 1
        assert (outcome.kind, outcome.value) == (plain.kind, plain.value), f"after entry {count}"
        again.append(len(outcome.calls) - len(plain.calls))
    return again


def test_welcome_example() -> None:
    """The welcome example recovers wherever it stops; what is recorded is not
    done again."""
    again = crashes(p.Welcome, ["a", "b", "c", "d"])
    # Begun and lost: nothing yet, then the three mails, then those without an outcome.
    assert again == [0, 0, 2, 1, 0]


@pytest.mark.parametrize("items", [["tin", "gold", "iron"], ["gold"], []], ids=str)
def test_loop_with_try(items: list[str]) -> None:
    """A loop with `try`, `except`, `continue` and `finally` recovers wherever it
    stops, and makes no call twice: each begins only when those before are recorded."""
    assert set(crashes(p.LoopWithTry, items)) == {0}


@pytest.mark.parametrize(
    ("cls", "args"),
    [(p.Welcome, (["a", "b", "c", "d"],)), (p.LoopWithTry, (["tin", "gold", "iron"],))],
    ids=["welcome", "loop"],
)
def test_every_call_has_one_recorded_outcome(cls: Any, args: tuple[Any, ...]) -> None:
    """However often a call is attempted, the journal has one outcome for it."""
    _, host = compiled_outcome(cls.__waymark__, *args)
    for count in range(len(host.entries) + 1):
        _, crashed = compiled_outcome(cls.__waymark__, *args, crash_after=count)
        effects = [entry.effect for entry in crashed.entries if entry.kind in (1, 2, 3)]
        assert sorted(effects) == list(range(len(effects)))
