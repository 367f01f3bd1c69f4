from waymark import RetryPolicy, Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        first = await self.run_action(fetch(key), retry=RetryPolicy(attempts=2))
        second = await self.run_action(fetch(key), retry=RetryPolicy(attempts=3, exception_types=[OSError]))
        third = await self.run_action(fetch(key), retry=RetryPolicy(attempts=3))
        return first, second, third, await self.run_action(fetch(key), timeout=1)
