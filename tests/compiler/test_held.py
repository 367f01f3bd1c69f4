"""Lambdas and local functions may wait; generators are free to use, but not to wait with."""

from __future__ import annotations

import pytest

from tests.compiler.authored import body, define, definition_of
from tests.oracle.host import compiled_outcome, plain_outcome
from waymark.errors import WorkflowCompileError

#: Parted by lines of dashes.
ALLOWED = """\
f = lambda x: -x
return sorted([2, 1], key=f)
---
def f(x: int) -> int:
    return -x
return f(1)
---
f = lambda x: -x
if f(1):
    return f(2)
return await slow(f(3))
---
f = lambda x: -x
return await slow(f(3))
---
for x in [1, 2]:
    f = lambda y: y + x
    if f(1) > 1:
        await slow(f(2))
return x
---
for x in (y * 2 for y in [1, 2]):
    await slow(x)
return x
---
await slow(1)
g = (x for x in [1, 2])
return list(g)
---
f = lambda x: -x
await slow(1)
return f(1)
---
f = lambda x: -x
if await slow(1):
    return f(1)
---
f = lambda x: -x
for x in [1, 2]:
    log.append(f(x))
    await slow(1)
    log.append(f(x))
return log
---
f = None
for x in [1, 2]:
    if f:
        log.append(f(x))
    f = lambda y: y
    await slow(1)
return log
---
def f(x: int) -> int:
    return -x
await slow(1)
return f(1)
""".strip().split("\n---\n")

REFUSED = """\
g = (x for x in [1, 2])
await slow(next(g))
return next(g)
---
g = (x for x in [1, 2])
await slow(1)
return list(g)
---
g = (x for x in [1, 2])
if await slow(1):
    return list(g)
---
match await slow(1):
    case 1:
        g = (x for x in [1, 2])
        await slow(2)
        return list(g)
    case _:
        pass
---
match log:
    case [1]:
        g = []
    case [] if not log:
        g = (x for x in [1, 2])
        await slow(1)
return list(g)
---
match log:
    case [x] if (g := (y for y in [x])):
        await slow(1)
        return list(g)
---
try:
    g = (x for x in [1, 2])
    await slow(1)
except* ValueError:
    pass
finally:
    log.extend(g)
---
try:
    await slow(1)
except ValueError:
    pass
else:
    g = (x for x in [1, 2])
    await slow(1)
    log.extend(g)
---
while log:
    await slow(1)
else:
    g = (x for x in [1, 2])
    await slow(1)
    log.extend(g)
---
async with asyncio.timeout(5):
    g = (x for x in [1, 2])
    await slow(1)
    log.extend(g)
---
g = iter([])
for x in [1, 2]:
    log.extend(g)
    await slow(1)
    g = (y for y in [x])
---
if (g := (x for x in [1, 2])) and await slow(1):
    return list(g)
---
g = None
for x in [1, 2]:
    if x == 1:
        g = (y for y in log)
    if list(g):
        await slow(1)
""".strip().split("\n---\n")


@pytest.mark.parametrize("text", ALLOWED)
def test_what_may_wait_compiles(text: str) -> None:
    definition = definition_of(define(body("log = []\n" + text), name="held"))
    assert compiled_outcome(definition)[0] == plain_outcome(definition)


@pytest.mark.parametrize("text", REFUSED)
def test_what_waits_is_refused(text: str) -> None:
    with pytest.raises(WorkflowCompileError) as caught:
        define(body("log = []\n" + text), name="held")
    assert {found.code for found in caught.value.diagnostics} == {"WM401"}
