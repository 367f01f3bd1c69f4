from collections.abc import Iterator

from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


def words(text: str) -> Iterator[str]:
    for word in text.split():
        yield word.lower()


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        return sorted(words(await fetch(key)))
