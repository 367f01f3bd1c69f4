from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


@action
async def pages(key: str) -> list[str]: ...


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        for page in await pages(key):
            await store(key, page)
        return list(await pages(key))
