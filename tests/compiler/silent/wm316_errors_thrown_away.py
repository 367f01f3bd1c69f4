import asyncio

from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


@workflow
class Report(Workflow):
    async def run(self, keys: list[str]) -> list[object]:
        await asyncio.gather(*[store(key, "x") for key in keys])
        await asyncio.gather(*[store(key, "x") for key in keys], return_exceptions=False)
        results = await asyncio.gather(*[fetch(key) for key in keys], return_exceptions=True)
        tasks = [asyncio.create_task(fetch(key)) for key in keys]
        try:
            await asyncio.sleep(1)
        finally:
            await asyncio.gather(store("a", "b"), return_exceptions=True)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return [result for result in results if isinstance(result, BaseException)]
