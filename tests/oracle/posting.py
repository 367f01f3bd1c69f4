"""Events in programs that are compared: an action of the program sends them to it.

    await post("approved", True)

Under plain asyncio an event's name is an `asyncio.Queue`, and waiting for an event is
`Queue.get` under `asyncio.timeout`. In a host the engine of the run is told; a call
that is repeated after a crash sends the same message again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import Any

from waymark import Workflow, action
from waymark.authoring.registry import registry
from waymark.values import conform, fits, plan_for

#: Sends an event to the run that the attempt belongs to.
SEND: ContextVar[Callable[[str, bytes], None]] = ContextVar("SEND")


@action
async def post(name: str, payload: Any = None) -> None:
    SEND.get()(name, plan_for(Any, registry.types).dumps(payload))
    # What does not wait gives up no turn under plain asyncio.
    await asyncio.sleep(0.1)


@contextmanager
def queues() -> Iterator[Callable[[str, bytes], None]]:
    """Under plain asyncio: all events go to the program's own queues. Gives what sends."""
    found: dict[str, asyncio.Queue[bytes]] = {}

    def queue(name: str) -> asyncio.Queue[bytes]:
        if not isinstance(name, str):
            raise TypeError(name)
        return found.setdefault(name, asyncio.Queue())

    async def wait_for_event(
        self: Workflow,
        name: str,
        *,
        type: Any = None,  # noqa: A002 - as the method has it
        timeout: Any = None,
    ) -> Any:
        seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else timeout
        async with asyncio.timeout(seconds):
            value = plan_for(Any, registry.types).loads(await queue(name).get())
            return value if type is None or fits(value, type) else conform(value, type)

    authored = Workflow.wait_for_event
    Workflow.wait_for_event = wait_for_event  # type: ignore[assignment]

    def send(name: str, payload: bytes) -> None:
        queue(name).put_nowait(payload)

    token = SEND.set(send)
    try:
        yield send
    finally:
        SEND.reset(token)
        Workflow.wait_for_event = authored  # type: ignore[method-assign]
