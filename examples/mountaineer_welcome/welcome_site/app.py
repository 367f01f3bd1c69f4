"""The Mountaineer app. Pages would be registered as controllers; these are its JSON routes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated
from uuid import UUID

import asyncpg
from fastapi import FastAPI
from mountaineer import AppController, Depends
from pydantic import BaseModel

import waymark

from .config import AppConfig
from .database import CREATE, connection
from .workflows import User, WelcomeEmailWorkflow

VIEWS = Path(__file__).parent / "views"

config = AppConfig()  # type: ignore[call-arg]  # the environment has the rest


class WelcomeRequest(BaseModel):
    user_ids: list[str]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Waymark lives as long as the app, on the app's own database."""
    database = await asyncpg.connect(config.DATABASE_URL)
    await database.execute(CREATE)
    await database.close()
    async with waymark.running(config.DATABASE_URL):
        yield


controller = AppController(config=config, view_root=VIEWS, fastapi_args={"lifespan": lifespan})
app = controller.app


@app.put("/users", status_code=204)
async def save_users(
    people: list[User], database: Annotated[asyncpg.Connection, Depends(connection)]
) -> None:
    await database.executemany(
        "INSERT INTO users (id, email, active) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING",
        [(user.id, user.email, user.active) for user in people],
    )


@app.post("/welcome", status_code=202)
async def welcome(request: WelcomeRequest) -> dict[str, UUID]:
    handle = await WelcomeEmailWorkflow().submit(request.user_ids)
    return {"run_id": handle.id}


@app.get("/runs/{run_id}")
async def report(run_id: UUID) -> dict[str, str]:
    status = await waymark.handle(run_id).status()
    return {"run_id": str(status.id), "state": status.state}
