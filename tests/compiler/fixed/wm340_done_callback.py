import asyncio

from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        found: list[str] = []
        task = asyncio.create_task(fetch(key))
        after = asyncio.create_task(self.afterwards(task, found))
        await after
        return found

    async def afterwards(self, task: asyncio.Task[str], found: list[str]) -> None:
        found.append(await task)
