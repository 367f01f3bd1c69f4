from contextlib import asynccontextmanager

from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


@asynccontextmanager
async def session():
    yield None


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        async with session() as connection:
            return await fetch(key)
