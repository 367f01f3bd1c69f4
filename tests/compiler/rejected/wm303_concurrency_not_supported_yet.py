import asyncio
from asyncio import wait_for

from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        async with asyncio.timeout(3):
            first = asyncio.create_task(fetch(key))
        await self.wait_for_event("approved")
        done, pending = await asyncio.wait([first])
        return await wait_for(fetch(key), 3)
