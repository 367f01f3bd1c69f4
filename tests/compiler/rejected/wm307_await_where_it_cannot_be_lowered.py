from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        try:
            value = await fetch(key)
        except* ValueError:
            value = ""
        match value:
            case "x" if await fetch(key):
                return 1
        return value
