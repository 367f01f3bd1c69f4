from dataclasses import dataclass

from waymark import Workflow, action, workflow

@action
async def fetch(key: str) -> str: ...


@dataclass
class Settings:
    limit: int = 1


def remember(seen: list[str], key: str) -> None:
    seen.append(key)


@workflow
class Report(Workflow):
    done = 0

    def count(self) -> None:
        self.done += 1

    async def run(self, key: str) -> object:
        settings, seen = Settings(), list[str]()
        settings.limit = 3
        self.done = 1
        self.done = 2
        self.count()
        remember(seen, key)
        return await fetch(key), settings, seen
