import asyncio
from asyncio import Barrier

from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        queue = asyncio.Queue()
        barrier = Barrier(2)
        await queue.put(await fetch(key))
        async with barrier, asyncio.Runner():
            await store(key, await queue.get())
        return len(asyncio.all_tasks())
