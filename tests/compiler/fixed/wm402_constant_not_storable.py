from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


NUMBERS = [1, 2]


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        return await fetch(key), list(iter(NUMBERS))
