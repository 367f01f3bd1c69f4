import waymark
from waymark import RetryPolicy, Workflow, action, workflow

POLICY = RetryPolicy(attempts=4)


@action(retry=RetryPolicy(attempts=5))
async def charge(card: str) -> str:
    """Take the money. Not idempotent: each call takes it again."""
    return card


@action
async def post_non_idempotent(text: str) -> str:
    return text


@action(retry=RetryPolicy(attempts=5))
async def charge_once(card: str) -> str:
    """Not idempotent by itself; the provider knows the key."""
    return f"{card}/{waymark.context().idempotency_key}"


@action(retry=RetryPolicy(attempts=1))
async def call(number: str) -> str:
    """Never retry this."""
    return number


@action(retry=RetryPolicy(attempts=5))
async def fetch(key: str) -> str:
    """Idempotent: what is not there yet is made. Does not retry; keys are not to be repeated."""
    return key


@workflow
class Report(Workflow):
    async def run(self, card: str) -> str:
        paid = await charge_once(card)
        await post_non_idempotent(card)
        await self.run_action(post_non_idempotent(card), timeout=30)
        await self.run_action(post_non_idempotent(card), retry=RetryPolicy(attempts=1))
        return await call(await fetch(paid))
