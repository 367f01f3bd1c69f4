"""Waiting between attempts to reach something that is away."""

from __future__ import annotations

import asyncio
import random


class Backoff:
    """`wait` sleeps a little longer each time, with jitter, up to a bound."""

    __slots__ = ("_longest", "_next", "count")

    def __init__(self, first_seconds: float, longest_seconds: float) -> None:
        self._next = first_seconds
        self._longest = longest_seconds
        #: How often `wait` was called.
        self.count = 0

    @property
    def loud(self) -> bool:
        """Whether this failure should be logged: the first, then each tenth."""
        return self.count % 10 == 1

    async def wait(self) -> None:
        self.count += 1
        seconds = self._next
        self._next = min(self._next * 2, self._longest)
        await asyncio.sleep(seconds * random.uniform(0.5, 1.0))  # noqa: S311  # jitter, no secret
