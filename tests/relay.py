"""A relay between a test's processes and its server, which loses what it is told to lose."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from tests.server import Server

CHUNK = 1 << 16

#: What becomes of an answer of the server.
PASS, CUT, SWALLOW = "pass", "cut", "swallow"


class Relay:
    """Listens on a port of its own. `fate` says of each piece that the server sends whether
    it arrives, is lost with its connection, or is lost while the connection seems to live
    on, together with all that follows. What the server has answered it has committed."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.port = 0
        self.fate: Callable[[bytes], str] = lambda answer: PASS
        self.lost = 0
        self._open: set[asyncio.StreamWriter] = set()

    def url(self, user: str = "app") -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/postgres"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, far_writer}
        self._open |= both
        there = asyncio.create_task(_pass_on(reader, far_writer))
        back = asyncio.create_task(self._answers(far_reader, writer))
        try:
            await asyncio.wait([there, back], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (there, back):
                task.cancel()
            for one in both:
                one.transport.abort()
            self._open -= both

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        swallowing = False
        with suppress(OSError):
            while answer := await reader.read(CHUNK):
                fate = SWALLOW if swallowing else self.fate(answer)
                if fate == PASS:
                    writer.write(answer)
                    await writer.drain()
                    continue
                self.lost += not swallowing
                if fate == CUT:
                    return
                swallowing = True

    def close(self) -> None:
        for writer in set(self._open):
            writer.transport.abort()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while words := await reader.read(CHUNK):
            writer.write(words)
            await writer.drain()


@asynccontextmanager
async def relay_to(server: Server) -> AsyncIterator[Relay]:
    relay = Relay(server)
    listener = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
    relay.port = listener.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        listener.close()
        relay.close()
