"""Order of evaluation where it shows: each await changes what stands beside it."""

from __future__ import annotations

import pytest

from tests.compiler.authored import body, define, definition_of
from tests.oracle.host import compiled_outcome, plain_outcome

HELPERS = """
    async def grow(self, items: Any) -> int:
        await slow(len(items))
        items.append(len(items))
        return len(items)

    async def change(self, box: Any) -> int:
        await slow(len(box))
        box["new"] = box["a"] = len(box)
        return len(box)

    async def zero(self, items: Any) -> int:
        await self.grow(items)
        return 0
"""

EXPRESSIONS = [
    "[*items, await self.grow(items), *items]",
    "(items[-1], await self.grow(items), items[-1])",
    "{len(items), await self.grow(items), len(items) * 7}",
    "{len(items): len(items), await self.grow(items): len(items), 'x': await self.grow(items)}",
    "{**box, 'k': await self.change(box), **box}",
    "{'k': await self.change(box), **box, 'l': await self.change(box)}",
    "dict(**box, k=await self.change(box))",
    "dict(k=await self.change(box), **box)",
    "max(*items, await self.grow(items), *items)",
    "max(len(items), await self.grow(items), key=lambda x: -x)",
    "f'{items}-{await self.grow(items)}-{items}'",
    "f'{items!r:>{await self.grow(items)}}{items}'",
    "f'{await self.grow(items):>{len(items)}}|{len(items):>{len(items)}}'",
    "len(items) + await self.grow(items) * len(items)",
    "-await self.grow(items) + len(items)",
    "items[-1] <= await self.grow(items) <= items[-1]",
    "len(items) <= len(items) <= await self.grow(items) <= len(items)",
    "(log.append(1) or 1) <= (log.append(2) or 2) <= await self.grow(log)",
    "(log.append(1) or 3) <= (log.append(2) or 2) <= await self.grow(log)",
    "len(items) and await self.grow(items) and len(items)",
    "await self.zero(items) and await self.grow(items)",
    "await self.zero(items) or len(items) or await self.grow(items)",
    "await self.grow(items) if await self.zero(items) else len(items)",
    "len(items) if await self.grow(items) else await self.grow(items)",
    "items[await self.grow(items) - 2]",
    "items[0 : await self.grow(items) : len(items) - 1]",
    "items[len(items) - 1 : await self.grow(items)]",
    "box[items[-1] or 'a'] if not await self.zero(items) else 1",
    "(n := len(items)) + await self.grow(items) + (n := len(items)) + n",
    "n + await self.grow(items) + (n := 5) + n",
    "n + (n := await self.grow(items)) + n",
    "items.count(await self.grow(items))",
    "items.copy().index(await self.zero(items))",
    "''.join([str(items), str(await self.grow(items)), str(items)])",
    "[await self.grow(items) for x in items[:2]]",
    "[(x, y, await self.grow(items)) for x in items[:] for y in [x, n] if await self.zero(items)]",
    "[(x, y, await self.grow(items)) for x in items[:] for y in [x, n] if x + n]",
    "[x for x in range(3) if x != await self.zero(items)]",
    "{await self.grow(items): x for x in items[:2]}",
    "{x: await self.grow(items) for x in items[:2]}",
    "{log.append('key') or x: await self.grow(log) for x in items[:2]}",
    "{await self.grow(items) % 2 for x in items[:3]}",
    "[[await self.grow(items) for y in range(x)] for x in range(3)]",
    "[x for x in [await self.grow(items), len(items)]]",
    "[n for n in [n, await self.grow(items)] for m in [n, n]]",
    "sum(x for x in [await self.grow(items), len(items)])",
    "[last := await self.grow(items) for x in range(2)] + [last]",
    "await self.grow(items) + await self.grow(items) - await self.grow(items)",
    "await (self.grow(items) if n else self.zero(items))",
    "[await call for call in [self.grow(items), self.zero(items)]]",
    "await [self.grow(items), self.zero(items)][0] if False else await self.zero(items)",
    "await asyncio.gather(self.grow(items), *[self.grow(items) for x in items], slow(len(items)))",
    "missing.append(await self.grow(items))",
    "None.append(await self.grow(items))",
    "unbound + await self.grow(items)",
    "items[len(items)] + await self.grow(items)",
    "[1 // 0, await self.grow(items)]",
    "[await self.grow(items), 1 // 0]",
    "(await self.grow(items))()",
    "max(*5, await self.grow(items))",
    "{[]: await self.grow(items)}",
]

#: Parted by lines of dashes.
STATEMENTS = """\
n += await self.grow(items)
---
items += [await self.grow(items)]
---
items[len(items) - 1] += await self.grow(items)
---
items[await self.zero(items)] += await self.grow(items)
---
box['a'] += await self.change(box)
---
box[len(items)] = await self.grow(items)
---
items[await self.zero(items)] = len(items)
---
box[await self.grow(items)] = box[await self.grow(items)] = len(items)
---
box[await self.grow(items)], [*rest, box['b']] = len(items), items
---
first, *rest = [len(items), await self.grow(items), len(items)]
---
del items[await self.zero(items)], box['a']
---
del (items[await self.zero(items)], box['a'])
---
for box[await self.grow(items)] in items[:3]:
    log.append(await self.grow(items))
---
for x in items:
    if await self.grow(items) > 5:
        break
else:
    log.append('else')
---
for x in items[: await self.grow(items)]:
    log.append(x)
else:
    log.append('else')
---
while await self.grow(items) < 5:
    if len(items) == 4:
        continue
    log.append(n)
else:
    log.append('else')
---
while n < 3 or await self.zero(items):
    n += 1
else:
    log.append('else')
---
if n > 5:
    log.append(1)
elif await self.grow(items):
    log.append(2)
else:
    log.append(3)
---
assert await self.grow(items), await self.grow(items)
---
assert await self.zero(items), await self.grow(items)
---
assert not items, f'{await self.grow(items)}'
---
raise ValueError(items[-1]) from KeyError(await self.grow(items))
---
raise ValueError(len(items), await self.grow(items), len(items))
---
match await self.grow(items):
    case 1:
        log.append(1)
    case y if y == len(items):
        log.append((y, await self.grow(items)))
    case _:
        log.append(2)
---
match items:
    case [first, *rest]:
        log.append((first, await self.grow(rest), rest))
---
match box:
    case {'zz': y}:
        await slow(1)
    case {'a': y, **rest} | {'b': y, **rest}:
        log.append((y, rest, await self.change(box)))
---
try:
    log.append(await fail(1))
except (KeyError, ValueError) as error:
    log.append((str(error), await self.grow(items)))
else:
    log.append('else')
finally:
    log.append(await self.grow(items))
---
try:
    await fail(1)
except KeyError:
    log.append(1)
finally:
    log.append(2)
---
try:
    await slow(1)
except ValueError as error:
    pass
else:
    await fail(2)
finally:
    log.append(await self.grow(items))
---
try:
    await fail(1)
except ValueError as error:
    pass
log.append(error)
---
for x in range(3):
    try:
        await self.grow(items)
        continue
    finally:
        log.append(x)
        if x:
            break
---
try:
    return await self.grow(items)
finally:
    items.append(await self.grow(items))
---
with contextlib.suppress(ValueError, KeyError):
    await fail(1)
    log.append('never')
log.append('after')
---
with contextlib.suppress(KeyError):
    await fail(1)
""".strip().split("\n---\n")


def agree(text: str) -> None:
    begin = "items = [0, 1]\nbox = {'a': 1}\nlog: list[Any] = []\nn = 1\nrest = error = None\n"
    end = "\nreturn n, items, box, log, rest, value\nif False:\n    unbound = 1"
    program = "import contextlib\n" + body(begin + text + end) + HELPERS
    definition = definition_of(define(program, name="ordered"))
    plain = plain_outcome(definition)
    compiled, _ = compiled_outcome(definition)
    assert compiled == plain


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_expression(expression: str) -> None:
    agree(f"missing = None\nvalue = {expression}")


@pytest.mark.parametrize("statement", STATEMENTS)
def test_statement(statement: str) -> None:
    agree(f"value = None\n{statement}")
