import json
from decimal import Decimal

from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        value = await fetch(key)
        return json.loads(value), Decimal(1)
