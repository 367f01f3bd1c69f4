from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        ranks = {key: 2, await fetch(key): 1}
        best = sorted(ranks, key=lambda key: ranks[key])
        return best, len(ranks), list(filter(lambda value: value in ranks, key))
