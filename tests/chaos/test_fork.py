"""A fork in the middle of everything: parent and child keep out of each other's way."""

from __future__ import annotations

import asyncio
import gc
import os
import sys

import pytest

import waymark
from tests.chaos.test_names import Double
from waymark import NotStartedError

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork"),
    # Python 3.12 warns of forks with threads; that this is done anyway is the point.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


async def in_the_child(url: str, schema: str) -> int:
    """What a forked worker of a web server does; the number says how far it came."""
    try:
        await Double().submit(1)
    except NotStartedError:
        pass
    else:
        return 1
    gc.collect()
    async with waymark.running(url, schema=schema) as runtime:
        if await Double().run(21) != 42:
            return 2
        return 0 if runtime.client else 3


async def test_parent_and_child_both_go_on(database_url: str, schema: str) -> None:
    """The child is not started, may start anew, and leaves the parent's connections,
    leases and runs alone, even as it cleans up what it inherited."""
    async with waymark.running(database_url, schema=schema) as runtime:
        assert await Double().run(1) == 2
        name = runtime.worker
        child = os.fork()
        if child == 0:
            code = 99
            try:
                code = asyncio.run(in_the_child(database_url, schema))
            except BaseException as error:
                print(repr(error), file=sys.stderr)
            finally:
                os._exit(code)
        results = await asyncio.gather(*[Double().run(number) for number in range(200)])
        assert results == [number * 2 for number in range(200)]
        _, status = await asyncio.to_thread(os.waitpid, child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert await Double().run(3) == 6
        assert runtime.worker == name
