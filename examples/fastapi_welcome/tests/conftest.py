"""Fakes of what the app talks to. Waymark itself needs none: with nothing started, its pytest
plugin runs the workflows in memory, on the same compiler and engine as in production."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import httpx
import pytest
from welcome.app import app
from welcome.mail import Mailer
from welcome.models import User
from welcome.users import UserTable, users


class FakeUserTable(UserTable):
    """The users that a test names."""

    def __init__(self, people: Sequence[User] = ()) -> None:
        self.people = {user.id: user for user in people}

    async def fetch(self, user_ids: Sequence[str]) -> list[User]:
        return [self.people[user_id] for user_id in user_ids if user_id in self.people]

    async def save(self, users: Sequence[User]) -> None:
        self.people.update({user.id: user for user in users})


class Outbox:
    """Keeps what would have been sent; addresses in `broken` are refused."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.message_ids: list[str] = []
        self.broken: set[str] = set()

    async def send(self, to: str, subject: str, message_id: str) -> None:
        if to in self.broken:
            raise ConnectionError(f"no mailbox {to}")
        self.sent.append(to)
        self.message_ids.append(message_id)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> FakeUserTable:
    fake = FakeUserTable()

    async def open_table() -> UserTable:
        return fake

    monkeypatch.setattr(users, "table", open_table)
    return fake


@pytest.fixture
def outbox(monkeypatch: pytest.MonkeyPatch) -> Outbox:
    fake = Outbox()
    monkeypatch.setattr(Mailer, "send", fake.send)
    return fake


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
        yield client
