"""`queue=` of an action: kept, and refused at the decorator when it is no name."""

from __future__ import annotations

import pytest

from waymark.authoring import action
from waymark.authoring.registry import registry
from waymark.errors import RegistrationError


def test_a_queue_is_kept() -> None:
    with registry.isolated():

        @action(queue="gpu.large-1")
        async def render() -> None: ...

        @action
        async def anywhere() -> None: ...

    assert (render.queue, anywhere.queue) == ("gpu.large-1", None)


@pytest.mark.parametrize("queue", ["", "g p u", "a,b", "-gpu", "x" * 64, 7, "gpü"])
def test_what_is_no_name_is_refused(queue: object) -> None:
    """It says what a queue may be called."""
    with pytest.raises(RegistrationError) as caught:
        action(queue=queue)  # type: ignore[call-overload]
    assert f"@action(queue={queue!r}): a queue is named by letters, digits" in str(caught.value)
