"""FastAPI's own `Depends` in actions, and what needs a request."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
import textwrap
from typing import Annotated, Any

import fastapi
import httpx
import pytest
from fastapi import (
    BackgroundTasks,
    FastAPI,
    Header,
    HTTPException,
    Query,
    Request,
    Response,
    WebSocket,
)
from fastapi.security import HTTPBearer, SecurityScopes
from starlette.requests import HTTPConnection

import waymark.authoring as waymark
from waymark.authoring import Action, action
from waymark.errors import InjectionError

pytestmark = pytest.mark.anyio


async def attempt(made: Action[..., Any], *args: Any) -> Any:
    plan = made.injection
    assert plan is not None
    return await plan.call(made.function, args, {})


def get_settings() -> list[str]:
    return ["settings"]


Settings = Annotated[list[str], fastapi.Depends(get_settings)]


async def get_session(settings: Settings) -> Any:
    settings.append("opened")
    yield settings
    settings.append("closed")


async def test_fastapis_marker_works_as_it_is() -> None:
    """The same providers and the same markers serve endpoints and actions."""

    @action
    async def act(
        number: int,
        settings: Settings,
        session: Annotated[list[str], fastapi.Depends(get_session)] = waymark.INJECTED,
        own: list[str] = fastapi.Depends(get_settings, use_cache=False),
    ) -> tuple[Any, ...]:
        return (number, session is settings, list(session), own, session)

    number, shared, during, own, session = await attempt(act, 4)
    assert (number, shared, during, own) == (4, True, ["settings", "opened"], ["settings"])
    assert session == ["settings", "opened", "closed"]


async def get_user(settings: Settings = waymark.INJECTED) -> str:
    return settings[0]


async def read_user(user: Annotated[str, fastapi.Depends(get_user)] = waymark.INJECTED) -> str:
    return user


async def test_endpoints_accept_the_placeholder_and_our_providers() -> None:
    """A function with `= INJECTED` parameters can be an endpoint or its dependency."""
    app = FastAPI()
    app.get("/")(read_user)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
        assert (await client.get("/")).json() == "settings"


async def test_an_error_of_a_provider_comes_out() -> None:
    """An HTTPException of a shared provider is an ordinary failure of the attempt."""

    def refuse() -> str:
        raise HTTPException(404, "no such user")

    @action
    async def act(user: Annotated[str, fastapi.Depends(refuse)] = waymark.INJECTED) -> None: ...

    with pytest.raises(HTTPException, match="no such user"):
        await attempt(act)


def request_user(request: Request) -> None: ...
def request_default(request: Request = None) -> None: ...  # type: ignore[assignment]
def websocket_user(socket: WebSocket) -> None: ...
def connection_user(connection: HTTPConnection) -> None: ...
def response_user(response: Response) -> None: ...
def tasks_user(tasks: BackgroundTasks) -> None: ...
def scopes_user(scopes: SecurityScopes) -> None: ...
def header_user(agent: Annotated[str, Header()] = "x") -> None: ...
def query_user(page: int = Query(1)) -> None: ...


@pytest.mark.parametrize(
    ("provider", "asked"),
    [
        (request_user, "Request"),
        (request_default, "Request"),
        (websocket_user, "WebSocket"),
        (connection_user, "HTTPConnection"),
        (response_user, "Response"),
        (tasks_user, "BackgroundTasks"),
        (scopes_user, "SecurityScopes"),
        (header_user, "path, query, header, cookie or body"),
        (query_user, "path, query, header, cookie or body"),
        (HTTPBearer(), "(Request|HTTPConnection)"),
    ],
)
def test_a_dependency_that_needs_a_request_is_refused_at_registration(
    provider: Any, asked: str
) -> None:
    """An action runs without a request; the message says so with the whole chain."""

    def outer(inner: Any = fastapi.Depends(provider)) -> None: ...

    with pytest.raises(
        InjectionError, match=rf"action users:bill -> .*outer -> .*web request .{asked}."
    ):

        @action(name="users:bill")
        async def act(given: Annotated[Any, fastapi.Depends(outer)] = waymark.INJECTED) -> None: ...


async def test_a_provider_that_may_do_without_a_request_is_accepted() -> None:
    """`Request | None = None` says itself that there may be none."""

    def either(request: Request | None = None) -> str:
        return "none" if request is None else "some"

    @action
    async def act(given: Annotated[str, fastapi.Depends(either)] = waymark.INJECTED) -> str:
        return given

    assert await attempt(act) == "none"


class Inside:
    """How many were inside at once."""

    def __init__(self) -> None:
        self.now = 0
        self.most = 0

    async def stay(self) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        for _ in range(3):
            await asyncio.sleep(0)
        self.now -= 1


async def test_fastapis_limit_of_concurrent_use_is_kept() -> None:
    """`max_concurrency` of a marker bounds actions as it bounds endpoints: a
    generator counts until it is closed, another provider while it is called."""
    if "max_concurrency" not in inspect.signature(fastapi.Depends).parameters:
        return  # This FastAPI has no such parameter, so there is nothing to keep.
    calls, uses = Inside(), Inside()

    async def get_token() -> str:
        await calls.stay()
        return "token"

    session = fastapi.Depends(get_session, max_concurrency=2)
    token = fastapi.Depends(get_token, max_concurrency=3)

    @action
    async def uses_session(opened: Annotated[Any, session] = waymark.INJECTED) -> None:
        await uses.stay()

    @action
    async def uses_token(given: Annotated[str, token] = waymark.INJECTED) -> None: ...

    await asyncio.gather(*[attempt(uses_session) for _ in range(5)])
    await asyncio.gather(*[attempt(uses_token) for _ in range(5)])
    assert (uses.most, calls.most) == (2, 3)


def test_fastapi_is_not_imported_for_the_sake_of_its_marker() -> None:
    """An app without FastAPI does not pay for it, and needs none installed."""
    program = """
        import sys
        from typing import Annotated
        from waymark.authoring import Depends, action

        def provide() -> int:
            return 1

        @action
        async def act(given: Annotated[int, Depends(provide)]) -> None: ...

        assert act.injection is not None
        assert not {"fastapi", "starlette", "pydantic"} & set(sys.modules)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True)
