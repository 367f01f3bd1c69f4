from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


class Client:
    pass


CLIENT = Client()


@action
async def connect() -> bool:
    return CLIENT is not None


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        return await connect(), await fetch(key)
