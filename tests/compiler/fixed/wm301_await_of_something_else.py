from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


@action
def count(key: str) -> int:
    return len(key)


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        rows = await count(key)
        size = len(key)
        return [await fetch(key), rows, size]
