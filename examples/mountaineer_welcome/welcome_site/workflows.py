"""What the app does in the background. Mountaineer's own dependencies work in actions."""

from __future__ import annotations

import asyncio
from email.message import EmailMessage
from typing import Annotated

import aiosmtplib
import asyncpg
from mountaineer import Depends
from pydantic import BaseModel

import waymark
from waymark import INJECTED, Workflow, action, workflow

from .database import Config, connection

FETCH = "SELECT id, email, active FROM users WHERE id = ANY($1::text[]) ORDER BY id"


class User(BaseModel):
    id: str
    email: str
    active: bool = True


class EmailResult(BaseModel):
    to: str
    message_id: str


@action
async def fetch_users(
    user_ids: list[str],
    database: Annotated[asyncpg.Connection, Depends(connection)] = INJECTED,
) -> list[User]:
    return [User(**row) for row in await database.fetch(FETCH, user_ids)]


@action
async def send_email(to: str, subject: str, config: Config = INJECTED) -> EmailResult:
    message = EmailMessage()
    message["From"] = "hello@welcome.example"
    message["To"] = to
    message["Subject"] = subject
    message["Message-ID"] = f"<{waymark.context().idempotency_key}@welcome.example>"
    message.set_content("Good to have you with us.\n")
    await aiosmtplib.send(message, hostname=config.SMTP_HOST, port=config.SMTP_PORT)
    return EmailResult(to=to, message_id=message["Message-ID"])


@workflow
class WelcomeEmailWorkflow(Workflow):
    async def run(self, user_ids: list[str]) -> list[EmailResult | BaseException]:
        users = await fetch_users(user_ids)
        active_users = [user for user in users if user.active]
        return await asyncio.gather(
            *[send_email(to=user.email, subject="Welcome") for user in active_users],
            return_exceptions=True,
        )
