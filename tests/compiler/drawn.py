"""Workflows to draw: shaped as people write them, and as nobody should."""

from __future__ import annotations

from tests.compiler.authored import HEAD, body, define, definition_of
from waymark.graph.model import Graph

ACTIONS = """
class PaymentDeclined(Exception): ...

@action
async def get_order(order_id: str) -> Any: ...
@action
async def reserve(order_id: str, line: Any) -> Any: ...
@action
async def charge(order_id: str, amount: int) -> Any: ...
@action
async def release(item: Any) -> Any: ...
@action
async def notify(who: str, subject: str = "") -> Any: ...

async def ship(order: Any, carrier: str) -> Any:
    label = await slow(carrier)
    await notify("warehouse", subject=f"ship {label}")
    return label
"""

SAGA = """
order = await get_order(order_id)
if not order:
    return None
total = sum(line["price"] for line in order["lines"])
reserved = []  # to be released
try:
    for line in order["lines"]:
        reserved.append(await reserve(order_id, line))
    await charge(order_id, total)
    await ship(order, "post" if total < 100 else "courier")
except PaymentDeclined as error:
    for item in reversed(reserved):
        await release(item)
    await notify("customer", subject=f"declined: {error}")
    raise
except (KeyError, TimeoutError):
    await asyncio.gather(*[release(item) for item in reserved], return_exceptions=True)
    return "cancelled"
else:
    await notify("customer", subject="on its way")
finally:
    await notify("log", subject="done")
return "shipped"
"""
LOOPS = """
found = {}
cursor = 0
while True:
    result = await slow(cursor)
    if not result["items"]:
        break
    for item in result["items"]:
        if item in found:
            continue
        for attempt in range(3):
            try:
                found[item] = await slow(item)
                break
            except ConnectionError:
                await asyncio.sleep(2 ** attempt)
        else:
            await notify("ops", subject=f"gave up on {item}")
    cursor += 1
return found
"""
MATCH = """
match await slow(command):
    case {"kind": "create", "name": str(name)}:
        result = await slow(name)
    case {"kind": "delete", "id": id_} if id_ > 0:
        await release(id_)
        result = None
    case ["move", x, y] | ["jump", x, y]:
        a, b = await asyncio.gather(slow(x), slow(y))
        result = a + b
    case _:
        raise ValueError(f"unknown command {command!r}")
if result is None:
    await notify("nobody")
elif result == 1:
    await notify("one")
else:
    await notify("many", subject="x")
    await notify("more")
return result
"""
PARALLEL = """
first = await asyncio.gather(
    slow(1),  # one
    *[slow(i) for i in range(10) if i % 2],
    asyncio.gather(slow(3), asyncio.sleep(2)),
    ship(1, "x"),
)
second = await asyncio.gather(
    slow("a rather long first argument"),
    slow("a rather long second argument"),
    slow("a rather long third argument"),
    notify("who", subject="someone in particular"),
    return_exceptions=True,
)
either = await slow(1) if first else await slow(2)
each = [await slow(y) for y in second if y]
calls = [slow(y) for y in each]
await asyncio.gather(*calls)
return f"{await slow(1)} and {await slow(2)}"
"""
SCOPES = """
lock = asyncio.Lock()
try:
    async with asyncio.timeout(30):
        async with asyncio.TaskGroup() as group:
            first = group.create_task(slow(1))
            for order in orders:
                group.create_task(reserve("order", order))
except TimeoutError:
    return "too late"
both = asyncio.gather(slow(2), slow(3))
async with lock:
    value = await asyncio.wait_for(slow(4), timeout=10)
done, pending = await asyncio.wait([asyncio.create_task(slow(order)) for order in orders])
for finished in asyncio.as_completed([slow(order) for order in orders]):
    await notify("one", subject=str(await finished))
return value, await both, await first
"""
ODD = r"""
message_to_be_sent = await slow({"customer_identifier": "0123456789", "explanation": "a very long text that goes on, far beyond what fits", "numbers": [1, 2, 3, 4, 5, 6, 7, 8, 9]})
text = "日本語のとても長いテキスト、これはどのように表示されますか。🙂🎉👩‍👧 öäü" + "<script>alert('x')</script> & \"quotes\" `ticks`"
if message_to_be_sent["customer_identifier"] == "0123456789" and text.startswith("a very long prefix"):
    ありがとう = await slow("こんにちは <b>&amp;</b> ]]> -- \u202e")
def local(x):
    # a comment
    return [
        x, "#"]  # another
await slow(  # a comment
    local(3))
supercalifragilisticexpialidociousidentifierthatneverendsandcannotbebrokenanywhereatall = await slow(1)
try:
    while await slow(1):
        return text
finally:
    pass
"""  # noqa: E501 - long on purpose

_STEPS = """
step{0} = await slow({0})
if step{0} > {0}:
    await notify("customer", subject="step {0}")
    value{0} = step{0} + 1
else:
    value{0} = await charge("order", {0})
for item in await slow({0}):
    try:
        await reserve("order", item)
    except LookupError:
        await release(item)
    finally:
        await notify("log")
results{0} = await asyncio.gather(*[slow(v) for v in range(value{0})], ship(1, "post"))
"""
HUNDRED = "".join(_STEPS.format(number) for number in range(10))

PROGRAMS = {
    "saga": (SAGA, "self, order_id: str"),
    "loops": (LOOPS, "self"),
    "match": (MATCH, "self, command: Any"),
    "parallel": (PARALLEL, "self"),
    "scopes": (SCOPES, "self, orders: list[int]"),
    "odd": (ODD, "self"),
    "hundred": (HUNDRED, "self"),
    "nothing": ("pass", "self"),
}


def drawn(name: str) -> Graph:
    """The graph of one of `PROGRAMS`."""
    text, parameters = PROGRAMS[name]
    module = define(body(text, parameters), head=HEAD + ACTIONS, name=f"drawn_{name}")
    return definition_of(module).graph


#: The source of a `run` that waits in every way, to be drawn without compiling it.
CONCURRENT = """\
    async def run(self, orders):
        results = []
        try:
            async with asyncio.timeout(30) as limit, asyncio.TaskGroup() as group:
                first = group.create_task(fetch(orders[0]))
                tasks = [group.create_task(fetch(order)) for order in orders]
        except* ValueError as failed:
            await fetch(str(failed))
        done, pending = await asyncio.wait(tasks, timeout=5)
        async for finished in asyncio.as_completed(tasks):
            results.append(await finished)
        running = asyncio.create_task(self.watch(orders), name="watch")
        both = asyncio.gather(fetch(1), fetch(2))
        value = await asyncio.wait_for(fetch(3), timeout=10)
        async with lock:
            await self.run_action(fetch(4), retry=RetryPolicy(attempts=3))
        event = await self.wait_for_event("approved", type=Approval)
        kids = await asyncio.gather(*[Other().run(each) for each in results], *map(fetch, results))
        with contextlib.suppress(KeyError):
            results[await fetch(5)] = await fetch(6)
        async def inner(x):
            return await fetch(x)
        return await both, await inner(1)"""
