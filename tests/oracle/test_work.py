"""Promise 4 on programs that read like real work, with a crash after every entry."""

from __future__ import annotations

from typing import Any

import pytest

from tests.oracle import work_data, work_orders
from tests.oracle.host import check

CASES = [*work_orders.CASES, *work_data.CASES]


@pytest.mark.parametrize(("cls", "args"), CASES, ids=lambda value: getattr(value, "__name__", ""))
def test_work_behaves_as_asyncio_does(cls: Any, args: tuple[Any, ...]) -> None:
    """Equal value or exception and order of calls; equal again after each crash."""
    assert check(cls.__waymark__, *args) >= 1


def test_the_corpus_is_wide() -> None:
    """At least forty programs, each used."""
    programs = {cls for cls, _ in CASES}
    assert len(programs) >= 40
