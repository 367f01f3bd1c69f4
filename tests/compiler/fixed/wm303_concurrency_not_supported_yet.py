import asyncio

from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        items, filled = list[str](), asyncio.Condition()
        both, arrived = asyncio.Event(), 0

        async def produce() -> None:
            async with filled:
                items.append(await fetch(key))
                filled.notify()

        tasks = [asyncio.create_task(produce())]
        async with filled:
            await filled.wait_for(lambda: items)
        arrived += 1
        if arrived == len(tasks):
            both.set()
        await both.wait()
        await store(key, items.pop(0))
        return len(tasks)
