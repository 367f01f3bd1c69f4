from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


class Base(Workflow):
    async def load(self, key: str) -> str:
        return await fetch(key)


@workflow
class Report(Base):
    async def run(self, key: str) -> object:
        return await super().load(key)
