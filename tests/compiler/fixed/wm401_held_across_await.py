from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        parts = [part for part in key.split()]
        value = await fetch(key)
        return max([value, *parts], key=len)
