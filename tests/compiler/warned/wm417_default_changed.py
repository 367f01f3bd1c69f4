from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


@workflow
class Report(Workflow):
    async def run(self, key: str, seen: list[str] = [], counts: dict[str, int] = {}) -> list[str]:
        seen.append(await fetch(key))
        counts[key] = len(seen)
        return seen
