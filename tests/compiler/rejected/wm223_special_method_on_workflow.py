from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


def size(report: "Report") -> int:
    return len(report)


@workflow
class Report(Workflow):
    def __init__(self) -> None:
        self.items: list[str] = []

    def __len__(self) -> int:
        return len(self.items)

    def __getattr__(self, name: str) -> str:
        return name

    async def run(self, key: str) -> object:
        self.items.append(await fetch(key))
        return size(self)
