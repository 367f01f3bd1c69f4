from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        await store(key, "seen")
        if await fetch(key):
            return await fetch(key)
        return await self.page(key) + "!"

    async def page(self, key: str) -> str:
        return await fetch(key)
