import json
import math
from dataclasses import dataclass

from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


@dataclass
class Row:
    value: object


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        value = await fetch(key)
        loads = lambda text: json.loads(text)
        return Row(json.loads(value)), loads(value), math.pi
