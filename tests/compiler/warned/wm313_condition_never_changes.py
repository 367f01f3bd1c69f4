from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


@workflow
class Report(Workflow):
    async def run(self, key: str, limit: int) -> None:
        attempts = 0
        ready = False
        while not ready and attempts < limit:
            text = await fetch(f"{key}/{attempts}")
            if text == "ready":
                reaby = True
