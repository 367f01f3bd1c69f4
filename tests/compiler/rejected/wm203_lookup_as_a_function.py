from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        ranks = {key: 2, await fetch(key): 1}
        best = sorted(ranks, key=ranks.__getitem__)
        return best, ranks.__len__(), list(filter(ranks.__contains__, key))
