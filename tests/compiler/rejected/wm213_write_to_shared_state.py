from dataclasses import dataclass

from waymark import Workflow, action, workflow

SEEN: list[str] = []


@action
async def fetch(key: str) -> str: ...


@dataclass
class Settings:
    limit: int = 1


def remember(key: str) -> None:
    SEEN[0] = key


@workflow
class Report(Workflow):
    done = 0

    @classmethod
    def count(cls) -> None:
        cls.done += 1

    async def run(self, key: str) -> object:
        Settings.limit = 3
        Report.done = 1
        type(self).done = 2
        self.count()
        remember(key)
        return await fetch(key)
