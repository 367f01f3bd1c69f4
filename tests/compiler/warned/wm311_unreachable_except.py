from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


@workflow
class Report(Workflow):
    async def run(self, key: str) -> str:
        try:
            return await fetch(key)
        except Exception:
            return "failed"
        except ValueError:
            return "bad"
        except (KeyError, OSError):
            return "missing"
