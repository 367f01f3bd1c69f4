import itertools

from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


@workflow
class Report(Workflow):
    async def run(self, key: str) -> None:
        if key == "numbers":
            for number in itertools.count():
                await store(key, str(number))
        while True:
            text = await fetch(key)
            await store(key, text)
