from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        store(key, "seen")
        kept = store(key, "kept")
        also: object = self.page(key)
        if fetch(key):
            return fetch(key)
        return self.page(key) + "!"

    async def page(self, key: str) -> str:
        return await fetch(key)
