import asyncio

from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


@workflow
class Report(Workflow):
    async def run(self, keys: list[str]) -> str:
        asyncio.create_task(store(keys[0], "begun"))
        text = await fetch(keys[0])
        last = asyncio.create_task(store(keys[0], "last"))
        for key in keys:
            asyncio.create_task(store(key, text))
            await asyncio.sleep(1)
        for key in keys:
            await asyncio.sleep(1)
            asyncio.create_task(store(key, text))
        await self.begin(text)
        await last
        return text

    async def begin(self, text: str) -> None:
        asyncio.create_task(store(text, text))
