from waymark import RetryPolicy, Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        return await self.run_action(fetch(key), retry=RetryPolicy(attempts=5))
