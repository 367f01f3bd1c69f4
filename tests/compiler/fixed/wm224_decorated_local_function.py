from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


def logged(function):
    return function


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        async def load(part: str) -> str:
            return await fetch(f"{key}/{part}")

        return [await load("a"), await load("b")]
