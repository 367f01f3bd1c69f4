"""What the engine tells its host, and what it is told: plain data.

The host (runtime, simulation, tests) delivers one input at a time and gets an
`Advance`: entries that must be committed first, then commands to carry out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar, cast

from waymark.graph.policies import CallPolicy

T = TypeVar("T", bound="tuple[Any, ...]")

#: Stands where a payload has to be decoded to know its value.
UNREAD: Final = object()


class StartAction(NamedTuple):
    """Run one attempt of an action, then deliver its outcome by `effect`."""

    effect: int
    node: int
    action: str  # registered name
    arguments: bytes  # as recorded; decode once per attempt
    digest: int
    #: The arguments by name where they are plain scalars and known, and the action whose
    #: signature they were bound to: for that one they need no decoding.
    plain: Mapping[str, Any] | None = None
    bound_to: object = None


class StartAttempt(NamedTuple):
    """Run this attempt of an action once engine time has reached `not_before_ns`. The
    first one too where the call has a policy, which then stands over the action's."""

    effect: int
    node: int
    action: str
    arguments: bytes
    digest: int
    policy: CallPolicy | None
    attempt: int
    not_before_ns: int


class StartChild(NamedTuple):
    """Run another workflow, then deliver its end by `effect`. `again` says that this
    was asked before a recovery, so that the run may be there already."""

    effect: int
    node: int
    workflow: str  # registered name
    arguments: bytes  # as recorded: the child's input
    digest: int
    again: bool = False


class CancelChild(NamedTuple):
    """Ask a child to cancel itself, for the `time`th time. Its end is still awaited."""

    effect: int
    time: int


class SetTimer(NamedTuple):
    """Call `fire(timer)` once engine time has reached `deadline_ns`."""

    timer: int
    deadline_ns: int


class CancelEffect(NamedTuple):
    """Interrupt the attempt of an action if it runs; its outcome is settled."""

    effect: int


class DropTimer(NamedTuple):
    timer: int


class Finish(NamedTuple):
    """The run has ended. `ok` False: `payload` is an encoded exception."""

    ok: bool
    cancelled: bool
    payload: bytes
    digest: int
    #: What `payload` holds, where that is a plain scalar, else `UNREAD`.
    value: Any = UNREAD


Command: TypeAlias = (
    StartAction
    | StartAttempt
    | StartChild
    | CancelChild
    | SetTimer
    | CancelEffect
    | DropTimer
    | Finish
)


class Entry(NamedTuple):
    """A journal entry that this input made, without the run's id and epoch."""

    seq: int
    kind: int
    effect: int
    node: int
    digest: int
    at_ns: int
    payload: bytes


class Recorded(NamedTuple):
    """A journal entry as read back; store rows have these fields and more."""

    seq: int
    kind: int
    effect: int
    node: int
    digest: int
    at_ns: int
    payload: bytes


def last_first(entries: Sequence[Any]) -> list[Recorded]:
    """What has the fields of entries as such, the last one first."""
    return [
        Recorded(e.seq, e.kind, e.effect, e.node, e.digest, e.at_ns, bytes(e.payload))
        for e in reversed(entries)
    ]


class Advance(NamedTuple):
    """What one input led to. `commands` may be carried out once `entries` (and
    all entries before them) are committed."""

    entries: Sequence[Entry]
    commands: Sequence[Command]


def maker(cls: type[T]) -> Callable[[tuple[Any, ...]], T]:
    """Makes a named tuple from its fields in order, without the constructor that
    is written in Python: the hot path makes some of these for each action call."""
    return cast("Callable[[tuple[Any, ...]], T]", partial(cast("Any", tuple).__new__, cls))
