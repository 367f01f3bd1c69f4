from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


@workflow
class Report(Workflow):
    async def run(self, key: str) -> str:
        words = (await fetch(key)).split()
        words.sort()
        int("7")
        words.index("a")
        try:
            len(words) < 3
            sorted(words)
        except TypeError:
            return "mixed"
        """A text that stands by itself is a comment."""
        assert words == ["a"]
        return " ".join(words)
