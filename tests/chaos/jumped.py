"""A process of `tests.chaos.child` on a machine whose clock is wrong, and is set again.

`CHAOS_CLOCK` has seconds, one after the other: so much the clock is off, first from the
start on, and then by the next one from each half second on.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time

EVERY_SECONDS = 0.5

_offsets = [int(word) for word in os.environ["CHAOS_CLOCK"].split()]
_right, _began = time.time_ns, time.monotonic()


def wrong_ns() -> int:
    place = int((time.monotonic() - _began) / EVERY_SECONDS)
    return _right() + _offsets[place % len(_offsets)] * 10**9


time.time_ns = wrong_ns
time.time = lambda: wrong_ns() / 1e9

from tests.chaos.child import main, parse  # noqa: E402  # the clock comes first

if __name__ == "__main__":
    asyncio.run(main(parse(sys.argv[1:])))
