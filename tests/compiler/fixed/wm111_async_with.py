from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


@action
async def fetch_in_session(key: str) -> str: ...


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        return await fetch_in_session(key)
