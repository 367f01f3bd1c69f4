from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        if isinstance(self, Workflow) or isinstance(key, (str, Workflow)):
            return None
        return await fetch(key)
