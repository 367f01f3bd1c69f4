from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@workflow
class Page(Workflow):
    async def run(self, key: str) -> str:
        return await fetch(key)


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        return await Page().run(key)
