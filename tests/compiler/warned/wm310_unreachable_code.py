import asyncio

from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


@workflow
class Report(Workflow):
    async def run(self, key: str) -> str:
        text = await fetch(key)
        if not text:
            raise ValueError(key)
            await store(key, "nothing")
        match text:
            case "old":
                return "is old"
            case _:
                return await self.stored(key, text)
        return "never"

    async def stored(self, key: str, text: str) -> str:
        while True:
            await asyncio.sleep(60)
            for part in text.split():
                if part == "end":
                    break
        await store(key, text)
