from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        template = await fetch(key)
        text = "{0.__class__}".format(key)
        return template.format(key), text
