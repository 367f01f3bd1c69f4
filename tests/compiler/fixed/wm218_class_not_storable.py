from dataclasses import dataclass

from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


@dataclass
class Row:
    value: str


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        row = Row(await fetch(key))
        return row.value
