from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@workflow
class Report(Workflow):
    kind = "report"

    async def run(self, key: str) -> object:
        if self.kind == "report" and not key:
            return None
        return await fetch(key)
