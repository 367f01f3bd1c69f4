"""Promise 4 on whole workflows that nobody wrote, each with a crash after every
journal entry.

`WAYMARK_ORACLE_EXAMPLES=5000` makes a campaign of it (`nox -s oracle`).
"""

from __future__ import annotations

import os

import pytest

from tests.compiler.authored import define, definition_of
from tests.oracle.generator import program
from tests.oracle.host import check

EXAMPLES = int(os.environ.get("WAYMARK_ORACLE_EXAMPLES", "300"))
SHARE = 10


@pytest.mark.parametrize("first", range(0, EXAMPLES, SHARE))
def test_generated_workflow_behaves_as_asyncio_does(first: int) -> None:
    """Equal value or exception and order of calls; equal again after each crash."""
    for seed in range(first, min(first + SHARE, EXAMPLES)):
        text = program(seed)
        definition = definition_of(define(text, head="", name="generated"))
        try:
            check(definition, [], keep_attempts=True)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {error}\n{text}") from error
