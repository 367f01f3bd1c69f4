import asyncio

from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        await 3
        rows = await asyncio.to_thread(len, key)
        size = await len(key)
        return await [fetch(key)]
