from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@workflow
class Report(Workflow):
    def __init__(self) -> None:
        self._limit = 3

    def cut(self, length: int, value: str) -> str:
        return value[:length]

    def shorten(self, value: str) -> str:
        return self.cut(10, value)

    @property
    def limit(self) -> int:
        return self._limit

    def set_limit(self, value: int) -> None:
        self._limit = value

    @classmethod
    def named(cls, value: str) -> str:
        return f"{cls.__name__}: {value}"

    async def run(self, key: str) -> object:
        self.set_limit(5)
        return self.named(self.shorten(await fetch(key)))
