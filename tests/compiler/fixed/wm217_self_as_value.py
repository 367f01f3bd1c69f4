from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(report: object, *, value: str) -> None: ...


@workflow
class Report(Workflow):
    def __init__(self) -> None:
        self.name = "report"

    async def run(self, key: str) -> object:
        value = await fetch(key)
        await store(self.name, value=value)
        return {"report": self.name, "value": value}
