"""Which database the tests run on.

Order: WAYMARK_TEST_DATABASE_URL; a container, where one is asked for by
WAYMARK_TEST_CONTAINERS=1 and a Docker engine answers; the embedded server.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import tempfile
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import asyncpg

URL_VARIABLE = "WAYMARK_TEST_DATABASE_URL"
CONTAINERS_VARIABLE = "WAYMARK_TEST_CONTAINERS"
CONTAINER_IMAGE = "postgres:17-alpine"

#: How long a Docker engine may take to say that it is there.
PING_SECONDS = 0.5

T = TypeVar("T")


def describe_database() -> str:
    """One line for pytest's header. Starts no server."""
    url = os.environ.get(URL_VARIABLE)
    if url:
        return f"PostgreSQL {_version_at(url)} from {URL_VARIABLE}"
    if _containers_asked():
        if docker_answers():
            return f"{CONTAINER_IMAGE} in a container"
        return f"{_embedded_version()} ({CONTAINERS_VARIABLE} is set, but no Docker engine answers)"
    return _embedded_version()


@contextmanager
def running_database() -> Iterator[str]:
    """The URL of a server that runs meanwhile."""
    url = os.environ.get(URL_VARIABLE)
    if url:
        yield url
    elif _containers_asked() and docker_answers():
        with _container() as container_url:
            yield container_url
    else:
        with _embedded() as embedded_url:
            yield embedded_url


def docker_answers() -> bool:
    """Ask the Docker engine itself: a `docker` on the PATH proves nothing, and its
    client waits a minute for a dead socket."""
    host = urlsplit(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"))
    try:
        if host.scheme == "unix":
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(PING_SECONDS)
            connection.connect(host.path)
        else:
            address = (host.hostname or "localhost", host.port or 2375)
            connection = socket.create_connection(address, PING_SECONDS)
        with connection:
            connection.settimeout(PING_SECONDS)
            connection.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
            return b" 200 " in connection.recv(64)
    except OSError:
        return False


def execute(url: str, *statements: str) -> None:
    """Carry out statements, from outside any loop of the test."""
    aside(_execute(url, statements))


def aside(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine, run in a loop and a thread of its own, so that the
    test's loop is not disturbed."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


async def _execute(url: str, statements: tuple[str, ...]) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


def _version_at(url: str) -> str:
    async def ask() -> str:
        connection = await asyncpg.connect(url, timeout=3)
        try:
            return str(await connection.fetchval("show server_version"))
        finally:
            await connection.close()

    try:
        return aside(ask())
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        # The URL may hold a password, and so may the driver's words about it.
        return f"(not reached: {type(error).__name__})"


def _embedded_version() -> str:
    from waymark.errors import EmbeddedUnavailable
    from waymark.store.embedded.binaries import find_binaries, major_version

    try:
        return f"embedded PostgreSQL {major_version(find_binaries())}"
    except EmbeddedUnavailable:
        return "none: there is no embedded PostgreSQL here"


def _containers_asked() -> bool:
    return os.environ.get(CONTAINERS_VARIABLE, "") not in ("", "0")


@contextmanager
def _container() -> Iterator[str]:
    from testcontainers.community.postgres import PostgresContainer

    with PostgresContainer(CONTAINER_IMAGE, driver=None) as container:
        yield container.get_connection_url()


@contextmanager
def _embedded() -> Iterator[str]:
    from tests.embedded.application import until
    from waymark.store.embedded import start_embedded
    from waymark.store.embedded.supervisor.flock import is_held

    directory = Path(tempfile.mkdtemp(prefix="waymark-tests-"))
    # The server may run as another user than root, who has to get here.
    directory.chmod(0o755)
    try:
        server = start_embedded(directory / "data")
        try:
            yield server.dsn()
        finally:
            server.close()
            locks = list(directory.glob("**/supervisor.lock"))
            until(lambda: not any(is_held(str(lock)) for lock in locks), "the server to stop")
    finally:
        shutil.rmtree(directory, ignore_errors=True)
