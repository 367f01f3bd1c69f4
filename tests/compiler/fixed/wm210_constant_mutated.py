from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


SEEN: list[str] = []
LIMITS = {"x": 1}


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        seen, limits = list(SEEN), dict(LIMITS)
        seen.append(await fetch(key))
        limits["x"] = 3
        return seen, limits
