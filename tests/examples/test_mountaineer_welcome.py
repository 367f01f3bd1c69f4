"""The Mountaineer example, with its real server on a real Postgres and a real mail server."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest

from examples.fastapi_welcome.mail_sink import MailSink, free_port
from tests.database import execute

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "mountaineer_welcome"
USERS = [
    {"id": "ada", "email": "ada@mail.example", "active": True},
    {"id": "bob", "email": "bob@mail.example", "active": False},
    {"id": "eve", "email": "eve@mail.example", "active": True},
]


def until(true: Callable[[], bool], what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited {seconds:g} s for {what}"
        time.sleep(0.05)


@pytest.fixture
def sink() -> Iterator[MailSink]:
    with MailSink() as sink:
        yield sink


@pytest.fixture
def app_database_url(database_url: str) -> Iterator[str]:
    """A database of its own, since the app keeps its table where it likes."""
    name = f"welcome_{uuid4().hex[:12]}"
    execute(database_url, f"create database {name}")
    yield urlsplit(database_url)._replace(path=f"/{name}").geturl()
    execute(database_url, f"drop database {name} with (force)")


@pytest.fixture
def client(sink: MailSink, app_database_url: str, tmp_path: Path) -> Iterator[httpx.Client]:
    """Speaks to the app, which runs under uvicorn in a process of its own."""
    port = free_port()
    log = tmp_path / "app.log"
    environment = {
        **os.environ,
        "DATABASE_URL": app_database_url,
        "ENVIRONMENT": "production",
        "SMTP_PORT": str(sink.port),
    }
    command = [sys.executable, "-m", "uvicorn", "welcome_site.app:app", "--port", str(port)]
    with log.open("wb") as output:
        app = subprocess.Popen(command, cwd=EXAMPLE, env=environment, stdout=output, stderr=output)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:

        def answers() -> bool:
            assert app.poll() is None, log.read_text()
            try:
                return client.get("/openapi.json").is_success
            except httpx.TransportError:
                return False

        try:
            until(answers, "the app to answer")
            yield client
        finally:
            app.terminate()
            app.wait(timeout=30)


def test_a_request_sends_the_mails(client: httpx.Client, sink: MailSink) -> None:
    """Posted users get their mails; the run says that it has succeeded."""
    client.put("/users", json=USERS).raise_for_status()

    response = client.post("/welcome", json={"user_ids": ["ada", "bob", "eve"]})
    assert response.status_code == 202
    path = f"/runs/{response.json()['run_id']}"

    until(lambda: client.get(path).json()["state"] == "succeeded", "the run to end")
    assert sorted(sink.mails) == ["ada@mail.example", "eve@mail.example"]
    assert [len(copies) for copies in sink.mails.values()] == [1, 1]
