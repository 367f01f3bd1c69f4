"""asyncpg's UUIDs: made, hashed, compared and turned to bytes in C.

They are `uuid.UUID`s as far as `isinstance`, `==` and `hash` go, and what every query
answers with. Python's own take a microsecond to make and hash in Python. Code that asks
for the type itself (orjson does) knows only Python's, so users are given those.
"""

from __future__ import annotations

from asyncpg.pgproto.pgproto import UUID as FastUUID  # noqa: N811 - says what it is for

__all__ = ["FastUUID"]
