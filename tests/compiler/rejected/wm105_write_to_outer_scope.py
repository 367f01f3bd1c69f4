from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


count = 0


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        global count
        count += 1
        return await fetch(key)
