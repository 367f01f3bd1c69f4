from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


async def pages(key: str):
    yield key


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        async for page in pages(key):
            await store(key, page)
        return [page async for page in pages(key)]
