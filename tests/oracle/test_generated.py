"""Promise 4 on whole workflows that nobody wrote, each with a crash after every
journal entry.

`generator` is at home in control flow, `generator_objects` in values with identity.
`WAYMARK_ORACLE_EXAMPLES=5000` makes a campaign of it (`nox -s oracle`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from types import ModuleType

import pytest

from tests.compiler.authored import define, definition_of
from tests.oracle import generator, generator_objects
from tests.oracle.host import check

EXAMPLES = os.environ.get("WAYMARK_ORACLE_EXAMPLES")
SHARE = 10
#: How many programs of each kind are enough for every run.
KINDS: list[tuple[ModuleType, int]] = [(generator, 300), (generator_objects, 100)]
SHARES = [
    pytest.param(kind.program, first, id=f"{kind.__name__.rpartition('.')[2]}-{first}")
    for kind, usual in KINDS
    for first in range(0, int(EXAMPLES or usual), SHARE)
]


@pytest.mark.parametrize(("program", "first"), SHARES)
def test_generated_workflow_behaves_as_asyncio_does(
    program: Callable[[int], str], first: int
) -> None:
    """Equal value or exception and order of calls; equal again after each crash."""
    for seed in range(first, first + SHARE):
        text = program(seed)
        definition = definition_of(define(text, head="", name="generated"))
        try:
            check(definition, [], keep_attempts=True)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error}\n{text}") from error
