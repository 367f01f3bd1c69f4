"""Rows, as the runtime hands them to a store and gets them back.

Tuples rather than classes of our own, because the writer makes one for each
outcome and a store turns them into columns with one `zip(*rows)`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import IntEnum
from typing import NamedTuple, TypeAlias
from uuid import UUID


class RunState(IntEnum):
    """States of a run, as stored. Those from `SUCCEEDED` on are final."""

    SCHEDULED = 0
    READY = 1
    RUNNING = 2
    WAITING = 3
    PAUSED = 4
    BLOCKED = 5
    QUARANTINED = 6
    SUCCEEDED = 10
    FAILED = 11
    CANCELLED = 12
    TERMINATED = 13

    @property
    def final(self) -> bool:
        return self >= RunState.SUCCEEDED


class EntryKind(IntEnum):
    """What can enter a run's engine."""

    RESULT = 1  # an action returned; payload: its encoded result
    ERROR = 2  # an action raised; payload: its encoded exception
    CANCELLED = 3  # the engine itself ended this effect; nothing is fed
    TAPE = 4  # values that a node's recorded calls returned
    TIMER = 5  # a timer fired
    CLAIM = 6  # a new owner took the run; digest: of the frames at that moment
    ATTEMPT = 7  # an attempt failed and there will be another; payload: number, when, error
    CANCEL = 8  # somebody asked the run to cancel itself; payload: the sender's key
    EVENT = 9  # somebody sent an event; payload: the sender's key, its name, what it says


class NewRun(NamedTuple):
    """A submission. `owner` None leaves it for any worker to claim: at once (READY), or
    about `began_ns` (WAITING), when it is to begin."""

    id: UUID
    workflow: str
    graph: bytes  # content hash, 16 bytes
    queue: str
    owner: UUID | None
    epoch: int  # 1 when its submitter executes it, else 0
    state: int  # RunState
    began_ns: int  # engine time of the run's first step; 0 when not begun
    input: bytes
    parent: UUID | None = None  # the run that waits for its end
    priority: int = 0  # the highest is claimed first


class JournalRow(NamedTuple):
    """One entry, `seq` counting from 1 within the run."""

    run_id: UUID
    seq: int
    epoch: int
    kind: int  # EntryKind
    effect: int  # effect, timer or node the entry belongs to
    node: int  # graph node, -1 where there is none
    digest: int  # signed 32 bits: crc32 of the call's recorded arguments
    at_ns: int  # engine time handed over with the entry
    payload: bytes


#: The same as a plain tuple, which takes a fifth of the time to make.
JournalFields: TypeAlias = tuple[UUID, int, int, int, int, int, int, int, bytes]

#: No entry is known of any run.
NO_ENTRIES: Mapping[UUID, int] = {}


class SnapshotRow(NamedTuple):
    """What a run was in memory after entry `seq` of its journal."""

    run_id: UUID
    seq: int
    epoch: int
    graph: bytes  # content hash
    writer: str  # format and Python: `engine.snapshot.WRITER`
    digest: int  # signed crc32 of the payload
    payload: bytes


class Message(NamedTuple):
    """Something that somebody else asks of a run. `key` is the sender's, unique for
    the run: sent again, it is the same message."""

    run_id: UUID
    key: str
    kind: int  # EntryKind of the entry that will say so: CANCEL or EVENT
    name: str
    payload: bytes


class AttemptRow(NamedTuple):
    """What the attempts of one call reported of themselves while they run."""

    run_id: UUID
    epoch: int  # of the owner that writes it; when read, the run's own
    effect: int
    attempt: int
    since_ns: int  # engine time at which the first attempt began, 0 when not known
    progress: bytes | None  # encoded


class RunEnd(NamedTuple):
    """The run's own end."""

    id: UUID
    epoch: int
    state: int  # final RunState, or QUARANTINED / BLOCKED
    digest: int  # of the frames at the end
    result: bytes  # encoded result or exception; a UTF-8 reason when quarantined


class Release(NamedTuple):
    """A run given back by its owner: anyone may claim it. The last thing that
    an owner writes for a claim. `state` READY or BLOCKED; `reason` for people."""

    id: UUID
    epoch: int
    state: int
    reason: str


class Park(NamedTuple):
    """A run whose owner lets it sleep: WAITING, owned by nobody, claimed again when it is
    due. The last thing that an owner writes for a claim."""

    id: UUID
    epoch: int
    wake_ns: int | None  # engine time; None when only messages and children can wake it
    children: tuple[UUID, ...]  # runs whose end it waits for


#: Of how many runs one statement says that they are blocked, and why.
BLOCKED_MAX = 1000


class SeenWorker(NamedTuple):
    """A worker as others see it. `silent`: it gave a proof of life, and the proof is gone;
    a live one may be so for a moment, until it has connected anew."""

    id: UUID
    expired: bool  # its lease has run out
    silent: bool


class Sight(NamedTuple):
    """What one look at the database tells a sweep."""

    now_ns: int  # the store's clock
    workers: list[SeenWorker]  # all that have a row
    mail: bool  # whether `read_inbox` would find something
    graphs: list[bytes]  # of unfinished runs without a live owner, those that sleep when due


class ClaimedRun(NamedTuple):
    """A run this worker now owns. `epoch` is already the raised one."""

    id: UUID
    workflow: str
    graph: bytes
    queue: str
    epoch: int
    began_ns: int  # as recorded, by this claim if the run never began before
    input: bytes
    parent: UUID | None = None
    #: Owners in a row that died without the run recording anything, the last one included.
    crashes: int = 0
    priority: int = 0


class RunRow(NamedTuple):
    """A run as seen from outside."""

    id: UUID
    workflow: str
    state: int
    result: bytes | None
    reason: str | None
    owner: UUID | None
    epoch: int
    submitted_at: datetime
    finished_at: datetime | None


class Flush(NamedTuple):
    """One batch of one writer lane. All of it commits, or none; a run whose
    epoch is no longer ours is left out alone and named in the answer. No run
    stands twice in `ends`, nor both in `ends` and `releases`; all rows of a run
    are of one epoch. `wakes` are runs that may sleep until one in `ends` is over."""

    worker: UUID
    runs: list[NewRun]
    entries: Sequence[JournalFields]
    ends: list[RunEnd]
    releases: list[Release]
    wakes: Sequence[UUID] = ()
