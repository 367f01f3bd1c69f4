"""Pictures of a graph as text: exact, and saying each thing once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.compiler.authored import body, define, definition_of, graph_of
from tests.compiler.drawn import CONCURRENT, PROGRAMS, drawn
from tests.compiler.geometry import check_geometry
from tests.graph.graphs import every_node
from waymark.authoring import hooks
from waymark.compiler import render
from waymark.compiler.drawing.picture import Item, Region
from waymark.compiler.drawing.sketch import sketch
from waymark.graph.model import DEFINED, Await, Function, Graph, Name, Return, Span, walk

PROGRAM = """
total = 0
for order in await slow([1, 2]):
    if order > 1:
        continue
    try:
        total += await self.price(order)
    except (ValueError, KeyError) as error:
        raise RuntimeError("no price") from error
    finally:
        await asyncio.sleep(1)
else:
    total += 1
while total < 3:
    total = await slow(
        total + 1,  # one more
    )
    if not total:
        break
return await asyncio.gather(*[slow(x) for x in range(total)], fail("x"), return_exceptions=True)
"""
PRICE = """
    async def price(self, order: int) -> Any:
        return await slow(order)
"""

TREE = """\
drawn:W

   21 run()
   22 ├─ compute total = 0
   23 ├─ action  await slow([1, 2])
   23 ├─ for order in await slow([1, 2])
   24 │  ├─ if order > 1
   25 │  │  └─ continue
   26 │  ├─ try
   27 │  │  └─ call    total += await self.price(order)
   28 │  ├─ except (ValueError, KeyError) as error
   29 │  │  └─ raise RuntimeError("no price") from error
   30 │  └─ finally
   31 │     └─ sleep   await asyncio.sleep(1)
   32 ├─ else
   33 │  └─ compute total += 1
   34 ├─ while total < 3
   35 │  ├─ action  total = await slow(total + 1)
   38 │  └─ if not total
   39 │     └─ break
   40 └─ return await asyncio.gather(…, return_exceptions=True)
   40    ├─ action  slow(x) for x in range(total)
   40    └─ action  fail("x")

   42 W.price(order)
   43 └─ action  return await slow(order)"""


@pytest.fixture
def program() -> Graph:
    return definition_of(define(body(PROGRAM) + PRICE, name="drawn")).graph


def test_text_is_a_tree_with_the_authors_lines(program: Graph) -> None:
    assert render(program) == TREE


NODES = """\
app:W

    3 run(x)
    3 ├─ action  y = await act(x)
    3 ├─ for z in y
    3 │  ├─ if z
    3 │  │  └─ break
    3 │  └─ compute x = z; x += 1
    3 ├─ try
    3 │  └─ call    await self.again(x)
    3 ├─ except ValueError as e
    3 │  └─ raise
    3 ├─ except
    3 │  └─ return
    3 ├─ else
    3 │  └─ raise KeyError(x)
    3 ├─ finally
    3 │  └─ sleep   _waymark_1 = await asyncio.sleep(LIMIT)
    3 ├─ async with asyncio.timeout(LIMIT) as y
    3 │  └─ action  await act(x)
    3 └─ return [x, y]

    1 W.again(x)
    3 └─ return"""


def test_nodes_are_drawn_where_the_source_does_not_hold_them() -> None:
    """A graph of another hand is shown as what it does, not as what it says it was."""
    assert render(every_node()) == NODES


@pytest.mark.parametrize("source", ["", "async def (", "\x00", "x = 1", "def run(self): ..."])
def test_source_that_is_no_function_is_not_used(source: str) -> None:
    graph = every_node()
    broken = replace(graph, functions=tuple(replace(f, source=source) for f in graph.functions))
    assert render(broken) == NODES


@pytest.mark.parametrize("depth", [200, 2_000, 20_000])
def test_source_nested_beyond_reason_is_not_used(depth: int) -> None:
    """It cannot come from a compiled function, but a database may hold anything."""
    deep = f"async def run(self):\n    {'-' * depth}await f()"
    run = Function("run", (), (), {}, (Return(0, Span(2, 4, 2, 10)),), source=deep)
    assert render(Graph("app:W", (run,))).splitlines()[:3] == ["app:W", "", "    1 run()"]


TEXTS = {
    "awaits of one statement": (
        "both = (await slow(1)) + (await slow(2))\nboth += 1",
        (
            "action  await slow(1)\naction  await slow(2)\n"
            "compute both = (await slow(1)) + (await slow(2)); both += 1"
        ),
    ),
    "an await that may be skipped": (
        "x = await slow(1) and await slow(2)",
        (
            "action  await slow(1)\naction  await slow(2) (may be skipped)\n"
            "compute x = await slow(1) and await slow(2)"
        ),
    ),
    "a comprehension": (
        "return [await slow(i) for i in range(3) if await slow(i)]",
        (
            "return [… for i in range(3) if await slow(i)]\naction  await slow(i)\n"
            "action  await slow(i)"
        ),
    ),
    "an await inside an await": (
        "x = await slow(await slow(1))",
        "action  await slow(1)\naction  x = await slow(await slow(1))",
    ),
    "a test that waits": (
        "while (n := await slow(3)) > 2:\n    n += 1",
        "while (n := await slow(3)) > 2\naction  await slow(3)\ncompute n += 1",
    ),
    "elif": (
        "if x:\n    await slow(1)\nelif x > 1:\n    pass\nelse:\n    await slow(2)",
        "if x\naction  await slow(1)\nelif x > 1\nelse\naction  await slow(2)",
    ),
    "match": (
        "match x:\n    case [y, *_] if y:\n        await slow(y)\n    case _:\n        return 1",
        "match x\ncase [y, *_] if y\naction  await slow(y)\ncase _\nreturn 1",
    ),
    "held calls": (
        "calls = [slow(1)]\nx = await asyncio.gather(*calls)",
        "compute calls = [slow(1)]\nx = await asyncio.gather(…)\nawait   *calls",
    ),
    "comments and line breaks": (
        "x = await slow(  # why\n    [\n        1,  # one\n        '#2',\n    ]\n)",
        "action  x = await slow([1, '#2'])",
    ),
    "blocks of pure code": (
        "y = []\nfor i in range(3):\n    # why\n    if i:\n        y.append(i)\nawait slow(y)",
        "compute y = []; for i in range(3): if i: y.append(i)\naction  await slow(y)",
    ),
}


@pytest.mark.parametrize(("text", "expected"), TEXTS.values(), ids=list(TEXTS))
def test_lines_of_text(text: str, expected: str) -> None:
    """What the author wrote shows once, and in the order in which it happens."""
    lines = render(graph_of(text, "self, x: Any = 1")).splitlines()[3:]
    assert "\n".join(re.sub(r"^ *\d+ [ │├└─]*", "", line) for line in lines) == expected


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_await_shows_once_with_its_line(name: str) -> None:
    """In text, each await of the graph has a row of its own at its own line."""
    graph = drawn(name)
    awaits = [
        node
        for function in graph.functions
        if not function.name.startswith(DEFINED)
        for node in walk(function.body)
        if isinstance(node, Await)
    ]
    picture = sketch(graph)
    shown = [number for panel in picture.panels for number in _numbers(panel.items)]
    assert sorted(shown) == sorted(node.id for node in awaits)


def _numbers(items: tuple[Item, ...]) -> Iterator[int]:
    for item in items:
        yield from item.nodes
        if isinstance(item, Region):
            for part in item.parts:
                yield from _numbers(part.items)


CONCURRENT_TREE = """\
app:W

    2 run()
    3 ├─ compute results = []
    4 ├─ try
    5 │  └─ async with asyncio.timeout(30) as limit, asyncio.TaskGroup() as group
    6 │     ├─ start   first = group.create_task(fetch(orders[0]))
    7 │     └─ tasks = [… for order in orders]
    7 │        └─ start   group.create_task(fetch(order))
    8 ├─ except* ValueError as failed
    9 │  └─ action  await fetch(str(failed))
   10 ├─ wait    done, pending = await asyncio.wait(tasks, timeout=5)
   11 ├─ async for finished in asyncio.as_completed(tasks)
   12 │  └─ await   results.append(await finished)
   13 ├─ start   running = asyncio.create_task(self.watch(orders), name="watch")
   14 ├─ start   both = asyncio.gather(fetch(1), fetch(2))
   15 ├─ wait_for value = await asyncio.wait_for(fetch(3), timeout=10)
   16 ├─ async with lock
   17 │  └─ action  await self.run_action(fetch(4), retry=RetryPolicy(attempts=3))
   18 ├─ event   event = await self.wait_for_event("approved", type=Approval)
   19 ├─ kids = await asyncio.gather(…)
   19 │  ├─ child   Other().run(each) for each in results
   19 │  └─ action  *map(fetch, results)
   20 ├─ with contextlib.suppress(KeyError)
   21 │  ├─ action  await fetch(6)
   21 │  ├─ action  await fetch(5)
   21 │  └─ compute results[await fetch(5)] = await fetch(6)
   22 ├─ compute async def inner(x): return await fetch(x)
   24 ├─ await   await both
   24 ├─ await   await inner(1)
   24 └─ return await both, await inner(1)"""


@pytest.fixture
def concurrent() -> Graph:
    """Every way to wait, by its source alone, beside what the compiler brings along."""
    names = {"fetch": Name("action", ref="app:fetch")}
    run = Function("run", (), (), names, (), span=Span(2, 4, 24, 0), source=CONCURRENT)
    brought = Function(f"{DEFINED}wait", (), (), {}, (Return(0, Span(1, 0, 1, 1)),))
    return Graph("app:W", (replace(run, first_line=2), brought))


def test_every_way_to_wait_has_its_word(concurrent: Graph) -> None:
    """Also where nodes say less than the source, and without what was brought along."""
    assert render(concurrent) == CONCURRENT_TREE
    check_geometry(render(concurrent, "svg"))


def test_every_format_is_drawn() -> None:
    """What `visualize` promises, and nothing else."""
    assert len({render(every_node(), form) for form in hooks.VISUAL_FORMATS}) == 3


def test_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="'gif': the formats are 'text', 'mermaid', 'svg'"):
        render(every_node(), "gif")
