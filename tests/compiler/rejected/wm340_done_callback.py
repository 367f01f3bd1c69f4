import asyncio

from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        found = []
        task = asyncio.create_task(fetch(key))
        task.add_done_callback(lambda over: found.append(over.result()))
        await task
        return found
