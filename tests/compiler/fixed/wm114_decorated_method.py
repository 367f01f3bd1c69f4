from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


def logged(function):
    return function


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        return await self.page(key)

    async def page(self, key: str) -> str:
        return await fetch(key)
