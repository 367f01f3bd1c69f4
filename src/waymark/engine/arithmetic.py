"""The decimal context under which all code of a run computes.

What a decimal comes to depends on the context of the thread: precision, rounding, which
conditions are errors. A host may set its own, and the process that goes on with the run
another. So a run has always the one that Python begins with, spelled out, since the host
may have changed its defaults, too. The host's own is back before anybody else runs.

A step is not covered where its own code makes the first decimal of the whole process by a
function marked pure that does not say so in its annotations.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import (
    ROUND_HALF_EVEN,
    Context,
    DivisionByZero,
    InvalidOperation,
    Overflow,
    getcontext,
    setcontext,
)
from typing import TypeVar

from waymark.values import DECIMALS_MET as MET

T = TypeVar("T")
R = TypeVar("R")

_RUNS = Context(
    prec=28,
    rounding=ROUND_HALF_EVEN,
    Emin=-999999,
    Emax=999999,
    capitals=1,
    clamp=0,
    flags=[],
    traps=[InvalidOperation, DivisionByZero, Overflow],
)


def fixed(function: Callable[[T], R]) -> Callable[[T], R]:
    """Let a function of one argument compute under the run's context, once there are
    decimals. The author's pure functions may change the one they get: it is a copy."""

    def under(argument: T) -> R:
        if not MET:
            return function(argument)
        host = getcontext()
        setcontext(_RUNS.copy())
        try:
            return function(argument)
        finally:
            setcontext(host)

    return under
