import asyncio

from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


@workflow
class Report(Workflow):
    async def run(self, keys: list[str]) -> None:
        await asyncio.gather(*[store(key, "x") for key in keys], return_exceptions=True)
