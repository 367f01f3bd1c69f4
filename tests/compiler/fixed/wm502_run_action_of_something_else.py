from waymark import RetryPolicy, Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


POLICY = RetryPolicy(attempts=5)


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        text = await self.run_action(fetch(key), retry=POLICY)
        again = await self.twice(key)
        return text, again

    async def twice(self, key: str) -> object:
        first = await self.run_action(fetch(key), retry=POLICY)
        return first, await self.run_action(fetch(key), retry=POLICY)
