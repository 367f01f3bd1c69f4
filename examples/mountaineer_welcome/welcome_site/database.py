"""The app's own table, and a connection to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

import asyncpg
from mountaineer import CoreDependencies, Depends

from .config import AppConfig

CREATE = """
    -- Two processes may start at once.
    SELECT pg_advisory_xact_lock(hashtext('users'));
    CREATE TABLE IF NOT EXISTS users (
        id     text PRIMARY KEY,
        email  text NOT NULL,
        active boolean NOT NULL DEFAULT true
    )
"""

Config = Annotated[AppConfig, Depends(CoreDependencies.get_config_with_type(AppConfig))]


async def connection(config: Config) -> AsyncIterator[asyncpg.Connection]:
    """For endpoints and actions alike; closed when the request or the attempt is over."""
    connection = await asyncpg.connect(config.DATABASE_URL)
    try:
        yield connection
    finally:
        await connection.close()
