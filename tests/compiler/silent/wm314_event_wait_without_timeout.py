import asyncio
from datetime import timedelta
from typing import Any

from waymark import Workflow, workflow


class Inbox:
    async def wait_for_event(self, name: str) -> None: ...


@workflow
class Payment(Workflow):
    async def run(self, amount: int, seconds: float | None) -> object:
        first = await self.wait_for_event("approval", type=bool, timeout=timedelta(days=2))
        second = await self.wait_for_event("approval", timeout=seconds)
        async with asyncio.timeout(60):
            third = await self.wait_for_event("approval")
        fourth = await asyncio.wait_for(self.wait_for_event("approval"), 60)
        task = asyncio.create_task(self.wait_for_event("approval"))
        done, _ = await asyncio.wait([task], timeout=5)
        task.cancel()
        forever = await self.wait_for_event("approval")  # waymark: ignore[WM314]
        return [first, second, third, fourth, len(done), forever, await self.limited()]

    async def limited(self) -> Any:
        return await self.wait_for_event("approval")
