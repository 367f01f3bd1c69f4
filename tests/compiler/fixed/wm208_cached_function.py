from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


def slug(text: str) -> str:
    return text.lower()


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        return slug(await fetch(key))
