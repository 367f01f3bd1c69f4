from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


def shorten(value: str) -> str:
    return value[:10]


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        value = await fetch(key)
        return shorten(value), self.title(value)

    def title(self, value: str) -> str:
        return value.title()
