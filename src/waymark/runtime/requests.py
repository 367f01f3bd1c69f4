"""What handles ask of a run: to take an event, to cancel itself.

Both are rows of the run's inbox, which its owner journals, wherever that is; the row is
committed before the sender hears that it was sent. Its key makes the same request one
message, however often it is sent: a user's own, else one that is new.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from ..authoring.registry import registry
from ..errors import RunEnded, RunNotFound
from ..store.protocol import Store
from ..store.records import EntryKind, Message, RunState
from ..values import plan_for
from .executor import too_large

#: Longer names and keys are likely something else that was passed by mistake.
TEXT_CHARACTERS_MAX = 500


class Requests:
    """Sends them. `sent` is called when one is committed."""

    def __init__(
        self,
        store: Store,
        payload_bytes_max: int,
        new_id: Callable[[], UUID],
        sent: Callable[[], None],
    ) -> None:
        self._store = store
        self._payload_bytes_max = payload_bytes_max
        self._new_id = new_id
        self._sent = sent

    async def event(self, run_id: UUID, name: str, payload: Any, key: str | None) -> None:
        """Send an event."""
        checked = _text(name, "the name of an event")
        own = f"event {self._new_id() if key is None else _text(key, 'the key of an event')}"
        data = plan_for(Any, registry.types).dumps(payload, "payload")
        if len(data) > self._payload_bytes_max:
            raise too_large("payload", len(data), self._payload_bytes_max)
        await self._send(Message(run_id, own, EntryKind.EVENT, checked, data))

    async def cancellation(self, run_id: UUID) -> None:
        """Ask a run to cancel itself."""
        await self._send(Message(run_id, f"cancel {self._new_id()}", EntryKind.CANCEL, "", b""))

    async def _send(self, message: Message) -> None:
        row = (await self._store.read_runs([message.run_id])).get(message.run_id)
        if row is None:
            raise RunNotFound(message.run_id)
        state = RunState(row.state)
        if state.final:
            raise RunEnded(row.id, row.workflow, state.name.lower())
        await self._store.send([message])
        self._sent()


def _text(text: object, what: str) -> str:
    """Text that every store can keep."""
    if not isinstance(text, str) or not text:
        raise ValueError(f"{text!r} is not {what}: give a text that is not empty")
    if len(text) > TEXT_CHARACTERS_MAX:
        raise ValueError(
            f"{what} has {len(text)} characters, and may have {TEXT_CHARACTERS_MAX};"
            " large values go into the payload"
        )
    if "\x00" in text or (not text.isascii() and _has_surrogates(text)):
        raise ValueError(f"{text!r} is not {what}: it holds characters that no database keeps")
    return text


def _has_surrogates(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)
