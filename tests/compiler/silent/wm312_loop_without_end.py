import asyncio
import itertools

from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


@workflow
class Report(Workflow):
    async def run(self, key: str) -> str:
        for number in itertools.count():
            text = await fetch(f"{key}{number}")
            if not text:
                break
        try:
            while True:
                await store(key, await fetch(key))
        except LookupError:
            pass
        for text in itertools.chain(["a", "b"]):
            await store(key, text)
        if key == "patient":
            while True:
                await store(key, await fetch(key))
                await asyncio.sleep(60)
        while True:
            text = await fetch(key)
            if text == "failed":
                raise ValueError(key)
            await self.pause(text)

    async def pause(self, text: str) -> None:
        await asyncio.sleep(len(text))
