from waymark import RetryPolicy, Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


POLICY = RetryPolicy(attempts=5)


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        text = await self.run_action(await fetch(key), retry=POLICY)
        again = await self.run_action(self.twice(key), retry=POLICY)
        return text, again

    async def twice(self, key: str) -> object:
        return await fetch(key), await fetch(key)
