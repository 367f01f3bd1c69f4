import logging
import os
import subprocess
import time
from random import shuffle

from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        time.sleep(3)
        now = time.time()
        home = os.path.expanduser(key)
        logging.info("at %s", now)
        shuffle([now])
        return subprocess.run([key])
