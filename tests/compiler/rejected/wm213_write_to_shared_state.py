from dataclasses import dataclass

from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


@dataclass
class Settings:
    limit: int = 1


@workflow
class Report(Workflow):
    def __init__(self) -> None:
        self.kept = 1

    async def run(self, key: str) -> object:
        self.last = await fetch(key)
        Settings.limit = 3
        return self.kept
