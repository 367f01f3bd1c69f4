"""What a runtime takes from the machine it runs on, in one place: time, names, a thread
for its heartbeat. A simulation hands in its own; tests a clock that stands still.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from .clock import Clock, WallClock
from .leases import in_thread
from .run_ids import RunIds


@dataclass(frozen=True, slots=True)
class Surroundings:
    """`new_run` and `new_worker` make names that nobody bears; `aside` runs a heartbeat
    where the app's loop cannot hold it up."""

    clock: Clock = field(default_factory=WallClock)
    new_run: Callable[[], UUID] = field(default_factory=RunIds)
    new_worker: Callable[[], UUID] = uuid4
    aside: Callable[[Callable[[], Coroutine[Any, Any, None]]], None] = in_thread
