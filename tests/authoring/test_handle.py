"""Handles: what they ask of the client, and how they are made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from waymark.authoring import RunHandle, RunStatus, WorkflowDefinition, handle, hooks
from waymark.authoring.handle import Begun
from waymark.errors import NotStartedError

pytestmark = pytest.mark.anyio

RUN = UUID("0190a000-0000-7000-8000-000000000001")


ASKED: list[tuple[Any, ...]] = []


class FakeClient:
    async def submit(self, definition: WorkflowDefinition, arguments: bytes) -> UUID:
        raise AssertionError("not asked here")

    def begin(self, definition: WorkflowDefinition, arguments: bytes) -> Begun:
        raise AssertionError("not asked here")

    async def begin_later(self, definition: WorkflowDefinition, arguments: bytes) -> Begun:
        raise AssertionError("not asked here")

    def decode(self, ending: Any, run_id: UUID, definition: WorkflowDefinition) -> Any:
        raise AssertionError("not asked here")

    async def result(
        self, run_id: UUID, definition: WorkflowDefinition | None, timeout: float | None
    ) -> Any:
        return (run_id, definition, timeout)

    async def status(self, run_id: UUID) -> RunStatus:
        return RunStatus(run_id, "w", "running", datetime(2026, 1, 1, tzinfo=UTC), None, None)

    async def send(self, run_id: UUID, name: str, payload: Any, key: str | None) -> None:
        ASKED.append((run_id, name, payload, key))

    async def cancel(self, run_id: UUID) -> None:
        ASKED.append((run_id, "cancel"))


@pytest.mark.parametrize(
    ("timeout", "seconds"), [(None, None), (2.5, 2.5), (timedelta(minutes=1), 60.0)]
)
async def test_a_handle_asks_for_its_run(
    monkeypatch: pytest.MonkeyPatch, timeout: Any, seconds: float | None
) -> None:
    """The result comes by id; a number is seconds, a timedelta is converted."""
    monkeypatch.setattr(hooks, "client", FakeClient)
    asked: Any = await handle(RUN).result(timeout=timeout)
    assert asked == (RUN, None, seconds)
    assert (await handle(RUN).status()).state == "running"


async def test_a_handle_needs_something_started() -> None:
    """All that it can be asked fails with the remedy while nothing runs."""
    one = handle(RUN)
    for question in (one.result(), one.status(), one.send("a"), one.cancel()):
        with pytest.raises(NotStartedError, match=r"waymark\.start"):
            await question


async def test_a_handle_sends_to_its_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event, null where nothing is said, and the request to cancel."""
    monkeypatch.setattr(hooks, "client", FakeClient)
    ASKED.clear()
    await handle(RUN).send("approved")
    await handle(RUN).send("approved", {"by": "ann"}, key="delivery 7")
    await handle(RUN).cancel()
    assert ASKED == [
        (RUN, "approved", None, None),
        (RUN, "approved", {"by": "ann"}, "delivery 7"),
        (RUN, "cancel"),
    ]


def test_handles_on_one_run_are_equal() -> None:
    """However a handle was made, it stands for the run."""
    assert handle(str(RUN)) == handle(RUN) == RunHandle(RUN, "w")
    assert len({handle(RUN), RunHandle(RUN, "w")}) == 1


@pytest.mark.parametrize("wrong", ["", "17", "not-an-id", None, 3])
def test_what_is_no_id_is_refused(wrong: Any) -> None:
    """The message says what to pass."""
    with pytest.raises(ValueError, match="is no run id; pass the UUID"):
        handle(wrong)
