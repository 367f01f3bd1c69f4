"""The data that travels between the actions, and over HTTP."""

from __future__ import annotations

from uuid import UUID

from pydantic import BaseModel


class User(BaseModel):
    id: str
    email: str
    active: bool = True


class EmailResult(BaseModel):
    to: str
    message_id: str


class WelcomeRequest(BaseModel):
    user_ids: list[str]


class Accepted(BaseModel):
    """The work is stored and will be done; ask for it by this id."""

    run_id: UUID


class RunReport(BaseModel):
    """`sent` and `failed` are counted when the run has ended."""

    run_id: UUID
    state: str
    sent: int | None = None
    failed: int | None = None
