"""What others send to a run, as it enters the journal.

The payload of a CANCEL entry is the sender's key. That of an EVENT entry is a JSON array
of the sender's key, the event's name and what it says; and of the reason where that
cannot be read here, since the body was told so then. One that could be read once and no
longer can is an error of decoding, as for any recorded value.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from waymark.errors import RecoveryMismatch, ValueDecodeError
from waymark.values import Plan

from .outcomes import Recorded
from .tape import join_items, split_items

#: The kinds of their entries, as `store.records.EntryKind` names them.
CANCEL, EVENT = 8, 9


class Event(NamedTuple):
    """An event as the run gets it. `problem` says why its value could not be read."""

    name: str
    value: Any
    problem: str | None = None


def received(
    kind: int, key: str, name: str, payload: bytes, plan: Plan[Any]
) -> tuple[Event | None, bytes]:
    """An event that has come, None for a cancellation, and the payload of the entry.
    Raises RecoveryMismatch for a message of no kind that there is."""
    if kind == CANCEL:
        return None, key.encode()
    if kind != EVENT:
        raise RecoveryMismatch(f"the message {key!r} to this run is damaged: its kind is {kind}")
    head = [json.dumps(key).encode(), json.dumps(name).encode()]
    try:
        return Event(name, plan.loads(payload, run=True, path=name)), join_items([*head, payload])
    except ValueDecodeError as error:
        event = Event(name, None, f"the event {name!r} cannot be read: {error}")
    return event, join_items([*head, b"null", json.dumps(event.problem).encode()])


def recorded(entry: Recorded, plan: Plan[Any]) -> tuple[str, Event | None]:
    """The sender's key, and the event of an entry; None for a cancellation."""
    if entry.kind != EVENT:
        return entry.payload.decode(errors="replace"), None
    try:
        key, name, value, *problem = split_items(entry.payload)
        event = Event(str(json.loads(name)), None, *map(json.loads, problem))
        known = str(json.loads(key))
    except (ValueError, TypeError):
        raise RecoveryMismatch(f"entry {entry.seq} is damaged") from None
    if event.problem is not None:
        return known, event
    return known, event._replace(value=plan.loads(value, run=True, path=event.name))
