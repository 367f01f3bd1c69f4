"""The store of production: PostgreSQL 13 or newer, through asyncpg."""

from __future__ import annotations

from .store import PostgresStore

__all__ = ["PostgresStore"]
