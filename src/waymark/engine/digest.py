"""A checksum of a machine, to compare what recovery arrives at with what was."""

from __future__ import annotations

import struct
import zlib

from .futures import Task
from .machine import Machine

_COUNTERS = struct.Struct("<4q").pack


def of_straight(effects: int) -> int:
    """What `digest` says of a machine that ended with one task, one frame, no timer."""
    if effects < len(_OF_STRAIGHT):
        return _OF_STRAIGHT[effects]
    return _checksum_of_straight(effects)


def _checksum_of_straight(effects: int) -> int:
    return zlib.crc32(_COUNTERS(1, effects, 0, 1)) - (1 << 31)


_OF_STRAIGHT = list(map(_checksum_of_straight, range(64)))


def digest(machine: Machine) -> int:
    """A signed 32-bit checksum of the counters and of what is pending."""
    counters = _COUNTERS(
        machine.next_future, machine.next_effect, machine.next_timer, machine.frames
    )
    checksum = zlib.crc32(counters)
    if not machine.ended:
        numbers: list[int] = []
        for number, future in machine.futures.items():
            numbers += (number, future.state)
            if isinstance(future, Task) and not future.state:
                numbers += (future.frame, future.pc, future.waiting, future.woken)
                numbers.append(future.cancels)
                for frame, _, pc in future.callers or ():
                    numbers += (frame, pc)
        checksum = zlib.crc32(struct.pack(f"<{len(numbers)}q", *numbers), checksum)
    return checksum - (1 << 31)
