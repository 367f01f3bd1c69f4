import asyncio

from waymark import Workflow, action, workflow


@action
async def ask(amount: int) -> None: ...


@workflow
class Payment(Workflow):
    async def run(self, amount: int) -> object:
        await ask(amount)
        if await self.wait_for_event("approval", type=bool):
            return await self.wait_for_event("receipt", timeout=None)
        answers = await asyncio.gather(
            self.wait_for_event("reason"), self.wait_for_event("other", timeout=60)
        )
        return answers
