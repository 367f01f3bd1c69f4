from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


TEMPLATES = {"short": "{}", "long": "the key {}"}


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        template = await fetch(key)
        text = f"{key.__class__}"
        return TEMPLATES[template].format(key), text
