import threading

from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


LOCK = threading.Lock()


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        with LOCK:
            return await fetch(key)
