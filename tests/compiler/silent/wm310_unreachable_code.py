from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


@workflow
class Report(Workflow):
    async def run(self, key: str) -> str:
        while True:
            text = await fetch(key)
            if text == "again":
                continue
            if text == "enough":
                break
            try:
                return await self.stored(key, text)
            except ValueError:
                await store(key, "bad")
        match text:
            case "one":
                return "1"
            case "two":
                return "2"
        try:
            raise KeyError(key)
        except KeyError:
            text = "caught"
        for letter in text:
            if letter == "c":
                break
        else:
            return "no c"
        assert False, text
        return text

    async def stored(self, key: str, text: str) -> str:
        try:
            await store(key, text)
        except ValueError:
            raise
        else:
            if text:
                return text
        finally:
            await store(key, "done")
        return key
