from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


@action
async def note(text: str) -> None:
    print(text)


@action
async def read(key: str) -> str:
    return open(key).read()


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        await note(f"fetching {key}")
        with_file = await read(key)
        return getattr(await fetch(key), "upper")(), with_file
