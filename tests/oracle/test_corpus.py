"""Promise 4: same outcome as Python, also with a crash after every entry."""

from __future__ import annotations

from typing import Any

import pytest

from tests.oracle import programs as p
from tests.oracle.host import check

CASES: list[tuple[Any, tuple[Any, ...]]] = [
    (p.Welcome, (["a", "b", "c", "d"],)),
    (p.Welcome, ([],)),
    (p.LoopWithTry, (["tin", "gold", "iron"],)),
    (p.LoopWithTry, ([],)),
    (p.Pagination, ()),
    (p.Saga, (["tin", "iron", "gold"],)),
    (p.Saga, (["tin"],)),
    (p.FirstFailure, ()),
    (p.EndsWhileOthersRun, ()),
    (p.Helpers, (3,)),
    *((p.NestedTry, (mode,)) for mode in ("fail", "return", "zero", "plain")),
    (p.FinallyReturns, ()),
    (p.WhileElse, (2,)),
    (p.WhileElse, (9,)),
    (p.AwaitEverywhere, (3,)),
    (p.AwaitEverywhere, (8,)),
    (p.Order_of_evaluation, ()),
    (p.Aliasing, ()),
    (p.HeldCalls, (4,)),
    (p.NestedGather, ()),
    (p.Sleeps, ()),
    (p.UnboundLocal, (False,)),
    (p.UnboundLocal, (True,)),
    (p.BareRaise, ()),
    *((p.Contexts, (how,)) for how in ("from", "none", "context")),
    (p.Values, ()),
    (p.NotRepeatable, ()),
    (p.UncaughtInGather, ()),
    (p.TwoFailures, ()),
    (p.ReturnThroughFinally, ()),
]


@pytest.mark.parametrize(("cls", "args"), CASES, ids=lambda v: getattr(v, "__name__", str(v)))
def test_program_behaves_as_asyncio_does(cls: Any, args: tuple[Any, ...]) -> None:
    """Equal value or exception and order of calls; equal again after each crash."""
    assert check(cls.__waymark__, *args) >= 1
