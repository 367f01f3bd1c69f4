import asyncio

from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


@workflow
class Report(Workflow):
    async def run(self, key: str, limit: int) -> int:
        attempts = 0
        while attempts < limit:
            await fetch(key)
            attempts += 1
        pending = [key]
        while pending:
            await fetch(pending.pop())
        ready = False
        while not ready:
            ready = await fetch(key) == "ready"
        waiting = True
        while waiting:
            if await fetch(key):
                break
        todo = {"first": key}
        while todo:
            await self.drop(todo)
        text = ""
        while text == "":
            for text in (await fetch(key)).split():
                await store(key, text)
        async with asyncio.timeout(60):
            while waiting:
                await fetch(key)
        return attempts

    async def drop(self, todo: dict[str, str]) -> None:
        todo.popitem()
        await fetch("dropped")
