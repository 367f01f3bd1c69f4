import asyncio

from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


@workflow
class Report(Workflow):
    async def run(self, keys: list[str]) -> str:
        text = await fetch(keys[0])
        for key in keys:
            asyncio.create_task(store(key, text))
        return text
