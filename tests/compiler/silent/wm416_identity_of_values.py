from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


@workflow
class Report(Workflow):
    async def run(self, key: str | None, strict: bool) -> bool:
        return key is None or strict is True or key is not None or key == "done"
