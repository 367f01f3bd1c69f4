import asyncio
import logging
import os
import subprocess
import time
from random import sample

from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


@action
async def run_it(key: str, now: float) -> int:
    logging.info("at %s", now)
    return subprocess.run([key, os.path.expanduser("~")]).returncode


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        await asyncio.sleep(3)
        now = time.time()
        mixed = sample([now, 0.0], 2)
        return await run_it(key, mixed[0])
