from dataclasses import dataclass

from pydantic import create_model

from waymark import Workflow, action, pure, workflow


@action
async def fetch(key: str) -> str: ...


@dataclass
class Page:
    text: str

    @property
    def length(self) -> int:
        return len(self.text)


@pure
def shorten(value: str) -> str:
    create_model(value)
    return value[:10]


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        value = shorten(await fetch(key))
        match Page(value):
            case Page() as found if found.length == 0:
                return None
        return value
