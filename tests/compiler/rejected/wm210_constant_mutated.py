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
        SEEN.append(await fetch(key))
        LIMITS["x"] = 3
        return SEEN
