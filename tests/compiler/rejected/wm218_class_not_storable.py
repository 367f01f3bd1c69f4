from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


class Row:
    def __init__(self, value: str) -> None:
        self.value = value


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        row = Row(await fetch(key))
        return row.value
