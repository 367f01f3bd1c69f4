from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


@workflow
class Page(Workflow):
    async def run(self, key: str) -> object:
        return await fetch(key)


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        handle = await self.submit(key)
        return await Page().run(key)
