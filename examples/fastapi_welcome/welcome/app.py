"""The web app: takes requests, hands the slow part to a workflow, and tells how it went."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated
from uuid import UUID

from fastapi import Depends, FastAPI, HTTPException

import waymark

from .models import Accepted, RunReport, User, WelcomeRequest
from .users import UserTable, user_table, users
from .workflows import WelcomeEmailWorkflow


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Waymark tells where the database is, and stops before the table that its actions use."""
    runtime = await waymark.start()
    async with users.open(runtime.database_url):
        try:
            yield
        finally:
            await waymark.stop()


app = FastAPI(title="Welcome", lifespan=lifespan)


@app.put("/users", status_code=204)
async def save_users(people: list[User], table: Annotated[UserTable, Depends(user_table)]) -> None:
    await table.save(people)


@app.post("/welcome", status_code=202)
async def welcome(request: WelcomeRequest) -> Accepted:
    """Answers once the run is stored. From then on it happens, whatever becomes of this process."""
    handle = await WelcomeEmailWorkflow().submit(request.user_ids)
    return Accepted(run_id=handle.id)


@app.get("/runs/{run_id}")
async def report(run_id: UUID) -> RunReport:
    handle = waymark.handle(run_id)
    try:
        status = await handle.status()
    except waymark.RunNotFound as error:
        raise HTTPException(404, str(error)) from error
    if status.state != "succeeded":
        return RunReport(run_id=run_id, state=status.state)
    results = await handle.result()
    failed = sum(isinstance(result, BaseException) for result in results)
    return RunReport(run_id=run_id, state=status.state, sent=len(results) - failed, failed=failed)
