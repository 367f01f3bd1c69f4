"""A long program of the kind people write compiles whole, and does what it says."""

from __future__ import annotations

import pytest

from tests.compiler import checkout
from tests.oracle.host import check


@pytest.mark.parametrize(
    "arguments",
    [
        ("fine",),
        ("fine", "us", ["a", "b", *"cdefghijkl"]),
        ("fine", "eu", ["a", "broken"]),
        ("declined",),
        ("offline",),
        ("empty",),
    ],
    ids=str,
)
def test_checkout(arguments: tuple[object, ...]) -> None:
    """Same outcome as asyncio, also with a crash after each journal entry."""
    assert check(checkout.Checkout.__waymark__, *arguments) > 1
