import threading

from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


LOCK = threading.Lock()


@action
async def fetch_alone(key: str) -> str:
    with LOCK:
        return key


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        return await fetch_alone(key)
