from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


@workflow
class Report(Workflow):
    async def run(self, key: str, seen: list[str] = [], extra: list[str] = [], given: list[str] = None) -> list[str]:
        found = list(seen)
        found.append(await fetch(key))
        extra = [*extra, key]
        extra.append(found[0])
        given = given or []
        given.append(key)
        return [*found, *extra, *given, *seen]
