import os
from datetime import datetime

from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


@action
async def token() -> str:
    return os.getenv("TOKEN") or os.environ.get("SECRET", "none")


@workflow
class Report(Workflow):
    async def run(self, key: str, host: str = "localhost") -> object:
        url, started = f"https://{host}/", datetime.now()
        return await fetch(url + key), await token(), started
