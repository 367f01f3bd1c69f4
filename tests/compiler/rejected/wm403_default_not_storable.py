from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


class Client:
    pass


CLIENT = Client()


@workflow
class Report(Workflow):
    async def run(self, key: str, client: object = CLIENT) -> object:
        return await fetch(key)
