"""Pictures of a graph: exact as text, well formed as Mermaid."""

from __future__ import annotations

import re

import pytest

from tests.compiler.authored import body, define, definition_of, graph_of
from tests.graph.graphs import every_node
from waymark.compiler import render
from waymark.graph.model import Graph, walk

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
   23 ├─ for     order in await slow([1, 2])
   24 │  ├─ if      order > 1
   25 │  │  └─ continue
   26 │  ├─ try
   27 │  │  ├─ call    await self.price(order)
   27 │  │  └─ compute total += await self.price(order)
   28 │  ├─ except (ValueError, KeyError) as error
   29 │  │  └─ raise   raise RuntimeError("no price") from error
   31 │  └─ finally
   31 │     └─ sleep   await asyncio.sleep(1)
   33 ├─ else
   33 │  └─ compute total += 1
   34 ├─ while   total < 3
   35 │  ├─ action  await slow(total + 1)
   38 │  └─ if      not total
   39 │     └─ break
   40 ├─ gather  await asyncio.gather(*[slow(x) for x in range(total)], fail("x"), retur…
   40 └─ return  return await asyncio.gather(*[slow(x) for x in range(total)], fail("x")…

   42 W.price(order)
   43 ├─ action  await slow(order)
   43 └─ return  return await slow(order)"""


@pytest.fixture
def program() -> Graph:
    return definition_of(define(body(PROGRAM) + PRICE, name="drawn")).graph


def test_text_is_a_tree_with_the_authors_lines(program: Graph) -> None:
    assert render(program) == TREE


GRAPHS = {
    "every node": every_node,
    "return in finally": lambda: graph_of("try:\n    return 1\nfinally:\n    await slow(1)"),
    "break through finally": lambda: graph_of(
        "while True:\n    try:\n        if await slow(1):\n            break\n"
        "    finally:\n        await slow(2)\nelse:\n    return 3"
    ),
    "nothing": lambda: graph_of("pass"),
    'quotes and "brackets"': lambda: graph_of("return await slow('<b>\"x\"</b> & [y] {z}')"),
    "unicode": lambda: graph_of("return await slow('äöü🙂')"),
}


@pytest.mark.parametrize("build", GRAPHS.values(), ids=list(GRAPHS))
def test_mermaid_is_well_formed(build: object) -> None:
    """Every subgraph ends, every arrow joins two nodes that are defined, and
    every node of the graph is drawn but for jumps, which are arrows."""
    assert callable(build)
    graph = build()
    lines = render(graph, "mermaid").splitlines()
    assert lines[0] == "flowchart TD"
    depth = 0
    defined: set[str] = set()
    used: set[str] = set()
    for line in map(str.strip, lines[1:]):
        if line.startswith("subgraph "):
            depth += 1
            assert re.fullmatch(r'subgraph \w+\["[^"]*"\]', line)
        elif line == "end":
            depth -= 1
        elif match := re.fullmatch(r"(\w+) (?:-->|-- \w+ -->|-\. \w+ \.->) (\w+)", line):
            used.update(match.groups())
        else:
            match = re.fullmatch(r'(\w+)[\[({/]+"([^"]*)"[\])}/]+', line)
            assert match, line
            assert match[1] not in defined
            defined.add(match[1])
        assert depth >= 0
    assert depth == 0
    assert used <= defined
    numbers = {
        f"n{node.id}"
        for function in graph.functions
        for node in walk(function.body)
        if type(node).__name__ != "Jump"
    }
    assert numbers <= defined


def test_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="'text' and 'mermaid'"):
        render(every_node(), "svg")
