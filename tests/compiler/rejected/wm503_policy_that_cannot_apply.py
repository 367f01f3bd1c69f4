from waymark import RetryPolicy, Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        first = await self.run_action(fetch(key), retry=RetryPolicy(attempts=0))
        second = await self.run_action(fetch(key), retry=RetryPolicy(exception_types=[]))
        third = await self.run_action(fetch(key), retry=3)
        return first, second, third, await self.run_action(fetch(key), timeout=-1)
