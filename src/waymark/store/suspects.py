"""Runs whose owners die again and again, and how the one at fault is told from the others.

Theory. A process dies with all the runs it holds, of which at most one is to blame. So
each claim counts the crash for every run that the dead left behind, unless it has
recorded something since the last: what makes progress is no poison. A claim that found
nothing of a run under way clears it as well, since a run that only waits kills nobody.

From its second crash in a row a run is a *suspect*. A process holds at most
`2 ** (CRASHES_MAX - 1 - n)` suspects while the worst of them has crashed `n` times: half as
many after each crash. The innocent among them record something, or are left out of the
half that crashes next; whoever has crashed one time less than the most was the only
suspect in its process, so the crash that is one too many is its own. It is quarantined
by the claimer, which does not execute it any more.

So a run is quarantined after `CRASHES_MAX` crashes, and a poisonous one takes that many
processes with it and no other run. Runs that were given back (a stop, a deploy) did not
crash.
"""

from __future__ import annotations

from typing import Final, NamedTuple

#: Crashes in a row, without an entry in between, after which a run is quarantined.
CRASHES_MAX: Final = 10

#: The payload of a claim's entry that found nothing under way.
IDLE: Final = b"[]"


class Held(NamedTuple):
    """The suspects that a claimer holds: how many, and the most crashes of one."""

    suspects: int
    worst: int


NONE_HELD: Final = Held(0, 0)


def is_suspect(crashes: int) -> bool:
    """Whether a run with so many crashes counts against the room for suspects."""
    return 2 <= crashes < CRASHES_MAX


def room_for(worst: int) -> int:
    """How many suspects a process may hold when the worst has crashed so often."""
    return int(2 ** (CRASHES_MAX - 1 - worst))
