from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(report: object, *, value: str) -> None: ...


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        value = await fetch(key)
        await store(self, value=value)
        return {"report": self, "value": value}
