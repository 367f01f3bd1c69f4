"""What a bench of the whole system works with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import waymark

from .limit import Limit
from .workloads import SCHEMA


@dataclass(frozen=True, slots=True)
class Bed:
    """A server, its limit, how often to repeat."""

    dsn: str
    limit: Limit
    repeat: int
    tune_gc: bool

    def waymark(self, **settings: object) -> Any:
        """Waymark running in this process, in its default settings otherwise."""
        return waymark.running(self.dsn, schema=SCHEMA, **{"tune_gc": self.tune_gc, **settings})
