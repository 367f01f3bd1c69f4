"""Promise 4 on programs that read like real work, with a crash after every entry.

They stand in `work_*.py`, one theme in each. Most were written as one writes for
asyncio, without a look at what compiles.
"""

from __future__ import annotations

import pytest

from tests.oracle.cases import Case
from tests.oracle.corpus import CASES
from tests.oracle.host import ENGINES, check

PROGRAMS_MIN = 332


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_work_behaves_as_asyncio_does(case: Case, engine: str) -> None:
    """Equal value or exception and order of calls; equal again after each crash."""
    definition = case.program.__waymark__
    assert check(definition, *case.arguments, keep_attempts=case.races, engine=engine) >= 1


def test_the_corpus_is_wide() -> None:
    """It never gets smaller."""
    assert len({case.program for case in CASES}) >= PROGRAMS_MIN
