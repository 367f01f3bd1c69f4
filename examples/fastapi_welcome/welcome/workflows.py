"""What the app does in the background.

A workflow says what happens in which order, and survives everything. An action does one thing
to the world, and may be tried again after a crash: so the mail carries a `Message-ID` that is
the same at each attempt, by which a receiver knows a second copy.
"""

from __future__ import annotations

import asyncio
from typing import Annotated

import waymark
from waymark import INJECTED, Depends, Workflow, action, workflow

from .mail import Mailer, mailer
from .models import EmailResult, User
from .users import UserTable, user_table


@action
async def fetch_users(
    user_ids: list[str],
    table: Annotated[UserTable, Depends(user_table)] = INJECTED,
) -> list[User]:
    return await table.fetch(user_ids)


@action
async def send_email(
    to: str,
    subject: str,
    mail: Annotated[Mailer, Depends(mailer)] = INJECTED,
) -> EmailResult:
    message_id = f"<{waymark.context().idempotency_key}@welcome.example>"
    await mail.send(to, subject, message_id)
    return EmailResult(to=to, message_id=message_id)


@workflow
class WelcomeEmailWorkflow(Workflow):
    async def run(self, user_ids: list[str]) -> list[EmailResult | BaseException]:
        users = await fetch_users(user_ids)
        active_users = [user for user in users if user.active]
        return await asyncio.gather(
            *[send_email(to=user.email, subject="Welcome") for user in active_users],
            return_exceptions=True,
        )
