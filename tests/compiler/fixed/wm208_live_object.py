import logging

from waymark import Workflow, action, workflow


@action
async def fetch(key: str) -> str: ...


@action
async def store(key: str, value: str) -> None: ...


class Database:
    def get(self, key: str) -> str:
        return key


db = Database()
client = Database()
log = logging.getLogger(__name__)
cache: dict[str, object] = {"db": db}


@action
async def get_user(key: str) -> str:
    cache[key] = user = db.get(key)
    log.info("done %s", user)
    return client.get(key)


@workflow
class Report(Workflow):
    async def run(self, key: str) -> object:
        return await get_user(await fetch(key))
