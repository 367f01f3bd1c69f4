import asyncio

from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


@workflow
class Report(Workflow):
    async def run(self, keys: list[str]) -> list[str]:
        found: list[str] = []
        for key in keys:
            try:
                found.append(await fetch(key))
            except BaseException:
                found.append("")
        while True:
            try:
                return [*found, await fetch("last")]
            except Exception:
                await asyncio.sleep(5)
            except BaseException:
                await store("last", "gone")
                raise
