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
        async with asyncio.timeout(60):
            while True:
                await store(key, await fetch(key))
        if key == "patient":
            while True:
                await store(key, await fetch(key))
                await asyncio.sleep(60)
        while True:
            text = await fetch(key)
            if text == "failed":
                raise ValueError(key)
            beating = asyncio.create_task(self.beat(key))
            await self.pause(text)
            beating.cancel()

    async def beat(self, key: str) -> None:
        while True:
            await store(key, "alive")

    async def pause(self, text: str) -> None:
        await asyncio.sleep(len(text))
