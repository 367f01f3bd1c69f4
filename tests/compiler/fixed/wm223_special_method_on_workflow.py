from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


def size(report: "Report") -> int:
    return report.size()


@workflow
class Report(Workflow):
    def __init__(self) -> None:
        self.items: list[str] = []

    def size(self) -> int:
        return len(self.items)

    def called(self, name: str) -> str:
        return name

    async def run(self, key: str) -> object:
        self.items.append(await fetch(key))
        return size(self)
