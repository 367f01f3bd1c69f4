from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@workflow
class Page(Workflow):
    async def run(self, key: str, size: int = 10) -> str:
        return (await fetch(key))[:size]


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        return await Page().run(key, 20)
