"""Ids of runs: UUID version 7, so that new rows land at the end of the index.

Made from a generator of this runtime's own, seeded by the system: a forked child
is not started, and its next runtime seeds anew.
"""

from __future__ import annotations

import hashlib
import os
import random
import time
from uuid import UUID

_VERSION_7 = 0x7 << 76
_VERSION_8 = 0x8 << 76
CHILD_VERSION = 8
_VARIANT = 0x2 << 62
_RANDOM_LOW = (1 << 62) - 1


class RunIds:
    """Call it for the next id."""

    __slots__ = ("_bits", "_head", "_make", "_milliseconds")

    def __init__(self) -> None:
        # Here, since importing Waymark is to load no driver.
        from waymark.store.postgres.uuids import FastUUID

        self._make = FastUUID
        # Not a secret: an id only has to be new.
        self._bits = random.Random(os.urandom(32)).getrandbits  # noqa: S311
        self._milliseconds = 0
        self._head = 0

    def __call__(self) -> UUID:
        milliseconds = time.time_ns() // 1_000_000
        if milliseconds != self._milliseconds:
            self._milliseconds = milliseconds
            self._head = milliseconds << 80 | _VERSION_7 | self._bits(12) << 64 | _VARIANT
        return self._make((self._head | self._bits(62)).to_bytes(16, "big"))


def is_child(run_id: UUID) -> bool:
    """Whether an id was made by `child_id`."""
    return run_id.version == CHILD_VERSION


def child_id(parent: UUID, effect: int) -> UUID:
    """The id of the run that an effect of `parent` asks for: always the same, and no
    other's. Version 8, which leaves the form to us: the parent's time, so that the row
    lands near its parent's, and 74 bits of a hash."""
    named = parent.bytes + effect.to_bytes(8, "big")
    digest = hashlib.blake2b(named, digest_size=10, person=b"waymark child").digest()
    noise = int.from_bytes(digest, "big")
    milliseconds = parent.int >> 80
    return UUID(
        int=milliseconds << 80 | _VERSION_8 | (noise >> 68) << 64 | _VARIANT | noise & _RANDOM_LOW
    )
