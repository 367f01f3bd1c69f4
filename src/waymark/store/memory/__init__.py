"""The store of unit tests and `memory://`: a Postgres store's behaviour, no disk."""

from __future__ import annotations

from .database import MemoryDatabase
from .store import MemoryStore

__all__ = ["MemoryDatabase", "MemoryStore"]
