"""Pictures of a graph as Mermaid: what its parser takes, with every step."""

from __future__ import annotations

import re

import pytest

from tests.compiler.authored import graph_of
from tests.compiler.drawn import PROGRAMS, drawn
from tests.graph.graphs import every_node
from waymark.compiler import render
from waymark.compiler.drawing.picture import steps
from waymark.compiler.drawing.sketch import sketch
from waymark.graph.model import Graph

BROKEN = """
while await slow(0):
    try:
        if await slow(1):
            break
    finally:
        await slow(2)
else:
    return 3
"""
GRAPHS = {
    "every node": every_node,
    "return in finally": lambda: graph_of("try:\n    return 1\nfinally:\n    await slow(1)"),
    "break through finally": lambda: graph_of(BROKEN),
    'quotes and "brackets"': lambda: graph_of("return await slow('<b>\"x\"</b> & [y] {z} `')"),
    "unicode": lambda: graph_of("return await slow('äöü🙂')"),
    **{name: (lambda name=name: drawn(name)) for name in PROGRAMS},
}
ARROW = r'(\w+) (?:-->|-- "[^"]+" -->|-\. \w+ \.->) (\w+)'
NODE = r'(\w+)(?:\(\["|\[\["|\[/"|\[\\"|\{\{"|\["|\("|\{")([^"]*)"[\])}/\\]+'


@pytest.mark.parametrize("build", GRAPHS.values(), ids=list(GRAPHS))
def test_mermaid_is_well_formed(build: object) -> None:
    """Every subgraph ends, every arrow joins two nodes that are defined, every node
    but a start can be reached, and every step but a jump is a node."""
    assert callable(build)
    graph: Graph = build()
    lines = render(graph, "mermaid").splitlines()
    assert lines[0] == "flowchart TD"
    depth = 0
    defined: dict[str, str] = {}
    entered: set[str] = set()
    for line in map(str.strip, lines[1:]):
        if line.startswith("subgraph "):
            depth += 1
            assert re.fullmatch(r'subgraph \w+\["[^"]*"\]', line)
        elif line == "end":
            depth -= 1
        elif match := re.fullmatch(ARROW, line):
            assert match[1] in defined
            entered.add(match[2])
        else:
            match = re.fullmatch(NODE, line)
            assert match, line
            assert match[1] not in defined
            defined[match[1]] = match[2]
        assert depth >= 0
    assert depth == 0
    assert entered <= set(defined)
    titles = {f"{panel.line} · {panel.title}" for panel in sketch(graph).panels}
    assert {defined[name] for name in set(defined) - entered} <= {"end", *titles}
    shown = [
        step
        for panel in sketch(graph).panels
        for step in steps(panel.items)
        if step.kind not in ("break", "continue")
    ]
    assert len(shown) <= len(defined)


EXPECTED = """\
flowchart TD
    n1(["21 · run()"])
    n2("action · 22<br/>users = await slow([1])")
    subgraph n3["loop"]
        n4{"23 · for user in users"}
        subgraph n5["branch"]
            n6{"24 · if user &lt; 2"}
        end
        n7("action · 26<br/>await slow(user)")
    end
    subgraph n8["return await asyncio.gather(…)"]
        n9[/"27 · all at once"\\]
        n10("action · 27<br/>slow(user) for user in users")
        n11[\\"all done"/]
    end
    n12(["end"])
    n1 --> n2
    n2 --> n4
    n4 -- "next" --> n6
    n6 -- "no" --> n7
    n7 --> n4
    n4 -- "done" --> n9
    n6 -- "yes" --> n9
    n9 --> n10
    n10 --> n11
    n11 --> n12"""


def test_arrows_follow_the_flow() -> None:
    """A `break` leads out of its loop, the end of its body back to its head."""
    graph = graph_of(
        "users = await slow([1])\nfor user in users:\n    if user < 2:\n        break\n"
        "    await slow(user)\n"
        "return await asyncio.gather(*[slow(user) for user in users])"
    )
    assert render(graph, "mermaid") == EXPECTED
