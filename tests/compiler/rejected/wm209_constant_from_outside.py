import os
import time
from datetime import datetime

from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


HOST = os.environ.get("HOST", "localhost")
URL = f"https://{HOST}/"
TOKEN: str = os.getenv("TOKEN") or "none"
STARTED = datetime.now()


@workflow
class Report(Workflow):
    secret = os.environ.get("SECRET", "none")

    async def run(self, key: str) -> object:
        return await fetch(URL + key), TOKEN, STARTED, self.secret, Report.secret
