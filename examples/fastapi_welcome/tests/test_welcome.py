"""What this app promises. Nothing has to be running: no server, no database, no mail."""

from __future__ import annotations

from uuid import UUID, uuid4

import httpx
import pytest
from welcome.models import EmailResult, User
from welcome.workflows import WelcomeEmailWorkflow

import waymark

from .conftest import FakeUserTable, Outbox

pytestmark = pytest.mark.anyio

ADA = User(id="ada", email="ada@mail.example")
BOB = User(id="bob", email="bob@mail.example", active=False)
EVE = User(id="eve", email="eve@mail.example")


async def test_only_active_users_get_a_mail(table: FakeUserTable, outbox: Outbox) -> None:
    await table.save([ADA, BOB, EVE])

    results = await WelcomeEmailWorkflow().run(["ada", "bob", "eve"])

    assert sorted(outbox.sent) == [ADA.email, EVE.email]
    assert [result.to for result in results if isinstance(result, EmailResult)] == [
        ADA.email,
        EVE.email,
    ]


async def test_each_mail_has_an_id_of_its_own(table: FakeUserTable, outbox: Outbox) -> None:
    await table.save([ADA, EVE])

    await WelcomeEmailWorkflow().run(["ada", "eve"])

    assert len(set(outbox.message_ids)) == 2


async def test_a_broken_mailbox_stops_nobody_else(table: FakeUserTable, outbox: Outbox) -> None:
    await table.save([ADA, EVE])
    outbox.broken.add(ADA.email)

    results = await WelcomeEmailWorkflow().run(["ada", "eve"])

    assert isinstance(results[0], ConnectionError)
    assert outbox.sent == [EVE.email]


async def test_a_request_is_answered_at_once_and_done_afterwards(
    client: httpx.AsyncClient, table: FakeUserTable, outbox: Outbox
) -> None:
    await client.put("/users", json=[ADA.model_dump(), BOB.model_dump()])

    response = await client.post("/welcome", json={"user_ids": ["ada", "bob"]})
    assert response.status_code == 202
    run_id = UUID(response.json()["run_id"])
    await waymark.handle(run_id).result()

    report = await client.get(f"/runs/{run_id}")
    assert report.json() == {"run_id": str(run_id), "state": "succeeded", "sent": 1, "failed": 0}
    assert outbox.sent == [ADA.email]


async def test_an_unknown_run_is_not_found(client: httpx.AsyncClient) -> None:
    response = await client.get(f"/runs/{uuid4()}")

    assert response.status_code == 404


async def test_a_bad_request_starts_nothing(client: httpx.AsyncClient, outbox: Outbox) -> None:
    response = await client.post("/welcome", json={"user_ids": "ada"})

    assert response.status_code == 422
    assert outbox.sent == []
