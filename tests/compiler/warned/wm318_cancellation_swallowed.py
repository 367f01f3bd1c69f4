import asyncio

from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


@workflow
class Report(Workflow):
    async def run(self, key: str) -> str:
        while True:
            try:
                return await fetch(key)
            except BaseException:
                await asyncio.sleep(5)
