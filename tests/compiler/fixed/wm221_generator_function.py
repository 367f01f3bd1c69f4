from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


def words(text: str) -> list[str]:
    return [word.lower() for word in text.split()]


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        return sorted(words(await fetch(key)))
