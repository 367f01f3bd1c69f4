"""`waymark.context()`: known inside an attempt, an error elsewhere."""

from __future__ import annotations

from uuid import UUID

import pytest

from waymark.authoring import ActionContext, context
from waymark.authoring.context import attempt_context
from waymark.errors import OutsideActionError

RUN = UUID("0190a000-0000-7000-8000-000000000001")


def test_inside_an_attempt_the_context_is_the_attempts() -> None:
    """The key stays the same over attempts, and differs between calls and runs."""
    first = ActionContext(RUN, "w", "a", effect=3, attempt=1)
    token = attempt_context.set(first)
    try:
        assert context() is first
    finally:
        attempt_context.reset(token)
    again = ActionContext(RUN, "w", "a", effect=3, attempt=2)
    other = ActionContext(RUN, "w", "a", effect=4, attempt=1)
    elsewhere = ActionContext(UUID(int=1), "w", "a", effect=3, attempt=1)
    assert first.idempotency_key == again.idempotency_key == f"{RUN}:3"
    assert len({each.idempotency_key for each in (first, other, elsewhere)}) == 3


def test_outside_an_action_the_error_says_why() -> None:
    """A plain call of an action has no run, so it has no context."""
    with pytest.raises(OutsideActionError, match="where no action runs"):
        context()
