"""Whether this process has met a decimal: the first that is read, written or expected.

Runs compute under a decimal context of their own (`engine.arithmetic`), which takes a
moment at each step; no process pays for it that has no decimals.
"""

from __future__ import annotations

from decimal import Decimal

#: Empty until then.
MET: list[bool] = []


def meet() -> None:
    """There are decimals here."""
    if not MET:
        MET.append(True)


def write_decimal(value: Decimal) -> str:
    """Its text, which no context changes."""
    meet()
    return str(value)


def read_decimal(text: str) -> Decimal:
    """The decimal again, exactly."""
    meet()
    return Decimal(text)
