from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        await store(key, "new")
        value = await fetch(key)
        return await self.page(value, 2)

    async def page(self, value: str, number: int = 1) -> str:
        return await fetch(value)
