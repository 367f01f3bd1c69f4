from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


class Base(Workflow):
    async def load(self, key: str) -> str:
        return await fetch(key)


@workflow
class Report(Base):
    async def run(self, key: str) -> object:
        above = super()
        return await above.load(key)
