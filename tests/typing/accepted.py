"""What a user writes with no annotation beyond their own; checked, never run."""

# pyright: strict

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, assert_type
from uuid import UUID

from waymark import (
    INJECTED,
    Depends,
    RetryPolicy,
    RunHandle,
    RunStatus,
    Workflow,
    action,
    context,
    handle,
    pure,
    workflow,
)


@dataclass
class User:
    email: str
    active: bool


@dataclass
class EmailResult:
    accepted: bool


class Session: ...


async def get_session() -> Session:
    return Session()


@action
async def fetch_users(user_ids: list[str]) -> list[User]:
    return [User(user_id, True) for user_id in user_ids]


@action
async def send_email(
    to: str, subject: str, session: Annotated[Session, Depends(get_session)] = INJECTED
) -> EmailResult:
    assert_type(context().idempotency_key, str)
    return EmailResult(accepted=bool(to and subject and session))


@workflow
class Approval(Workflow):
    async def run(self, user: str) -> str:
        answer = await self.wait_for_event("answer", type=EmailResult, timeout=timedelta(days=1))
        assert_type(answer, EmailResult)
        assert_type(await self.wait_for_event("n", type=int, timeout=60), int)
        assert_type(await self.wait_for_event("any", type=EmailResult | None), Any)
        assert_type(await self.wait_for_event("any"), Any)
        return user if answer.accepted else ""


async def answer(run_id: str) -> None:
    await handle(run_id).send("answer", EmailResult(accepted=True), key="delivery 1")
    await handle(run_id).send("go")
    await handle(run_id).cancel()


@action(name="mail.count", aliases=("mail.number",))
def count(text: str, session: Session = Depends(get_session)) -> int:
    return len(text)


@pure
def initials(name: str) -> str:
    return "".join(word[0] for word in name.split())


@workflow
class WelcomeEmailWorkflow(Workflow):
    async def run(self, user_ids: list[str]) -> list[EmailResult | BaseException]:
        users = await fetch_users(user_ids)
        assert_type(users, list[User])
        active_users = [user for user in users if user.active]
        return await asyncio.gather(
            *[send_email(to=user.email, subject="Welcome") for user in active_users],
            return_exceptions=True,
        )


@workflow(name="pair")
class PairWorkflow(Workflow):
    async def run(self, text: str, *, twice: bool = False) -> tuple[int, EmailResult]:
        assert_type(initials(text), str)
        both = await asyncio.gather(count(text), send_email(text, "x"))
        assert_type(both, tuple[int, EmailResult])
        return both


@action(retry=RetryPolicy(attempts=5, exception_types=[OSError, "Busy"]), timeout=30)
async def charge(cents: int) -> str:
    deadline = context().deadline
    return f"{cents} by {deadline}"


@workflow
class ParentWorkflow(Workflow):
    async def run(self, text: str) -> str:
        both = await PairWorkflow().run(text, twice=True)
        assert_type(both, tuple[int, EmailResult])
        policy = RetryPolicy(backoff_seconds=timedelta(seconds=1))
        paid = await self.run_action(charge(3), retry=policy, timeout=timedelta(minutes=1))
        assert_type(paid, str)
        return paid


async def caller() -> None:
    made: Callable[[str], Coroutine[Any, Any, int]] = count
    assert_type(await made("a"), int)

    results = await WelcomeEmailWorkflow().run(["a"])
    assert_type(results, list[EmailResult | BaseException])

    submitted = await WelcomeEmailWorkflow().submit(["a"])
    assert_type(submitted, RunHandle[list[EmailResult | BaseException]])
    assert_type(submitted.id, UUID)
    assert_type(await submitted.result(), list[EmailResult | BaseException])
    in_time = await submitted.result(timeout=timedelta(minutes=1))
    assert_type(in_time, list[EmailResult | BaseException])
    assert_type(await submitted.status(), RunStatus)

    pair = await PairWorkflow().submit("a", twice=True)
    assert_type(await pair.result(timeout=3.5), tuple[int, EmailResult])

    assert_type(handle(submitted.id), RunHandle[Any])
    assert_type(handle("a1b2"), RunHandle[Any])
    assert_type(WelcomeEmailWorkflow.visualize(), str)
    assert_type(PairWorkflow.visualize(format="mermaid"), str)
    assert_type(PairWorkflow.visualize("svg"), str)
