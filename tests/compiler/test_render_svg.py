"""Pictures of a graph as SVG: legible, closed in themselves, and always the same."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.compiler.authored import graph_of
from tests.compiler.drawn import PROGRAMS, drawn
from tests.compiler.geometry import check_geometry, nodes, parsed, texts
from tests.graph.graphs import every_node
from waymark.compiler import render
from waymark.compiler.drawing.style import DARK, LIGHT, Theme
from waymark.graph.model import DEFINED, Await, Graph, walk

ROOT = Path(__file__).resolve().parents[2]


def svg(graph: Graph) -> str:
    return render(graph, "svg")


@pytest.mark.parametrize("name", PROGRAMS)
def test_boxes_texts_and_lines_keep_apart(name: str) -> None:
    """No text leaves its box, no box overlaps another, no line crosses a step."""
    check_geometry(svg(drawn(name)))


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_await_is_one_step(name: str) -> None:
    """A step carries the number of its node, so that a run can be shown upon it."""
    graph = drawn(name)
    own = [function for function in graph.functions if not function.name.startswith(DEFINED)]
    bodies = [function.body for function in own]
    awaits = [node.id for body in bodies for node in walk(body) if isinstance(node, Await)]
    assert sorted(nodes(svg(graph))) == sorted(awaits)


def test_a_graph_without_source_is_drawn_from_its_nodes() -> None:
    picture = svg(every_node())
    check_geometry(picture)
    assert "await self.again(x)" in texts(picture)


def test_code_is_escaped() -> None:
    """Source is shown, never read as a part of the document."""
    picture = svg(drawn("odd"))
    assert "<script>alert('x')</script> &" in "".join(texts(picture))
    assert "<script" not in picture
    assert "\u202e" not in svg(graph_of("return await slow('\u202eabc')"))


def test_a_hostile_graph_stays_text() -> None:
    """Names and source of an edited row cannot close a tag or add one."""
    graph = every_node()
    evil = '</style></svg><script>x()</script>"\x00\ud800'
    run = replace(graph.functions[0], name=evil, source=evil)
    picture = svg(replace(graph, workflow=evil, functions=(run, *graph.functions[1:])))
    parsed(picture)
    assert "<script" not in picture


def test_equal_graphs_are_equal_texts_in_every_process() -> None:
    """Nothing depends on hashes, so a picture can be kept in a repository."""
    code = (
        "from tests.compiler.drawn import drawn\nfrom waymark.compiler import render\n"
        "print(render(drawn('saga'), 'svg'), end='')"
    )
    pictures = [
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert pictures == [svg(drawn("saga")).encode()] * 2


def test_a_hundred_steps_stay_narrow() -> None:
    """A long workflow is read by scrolling down, not sideways."""
    root = parsed(svg(drawn("hundred")))
    assert len(texts(svg(drawn("hundred")))) > 200
    assert int(root.attrib["width"]) < 1240


def luminance(colour: str) -> float:
    channels = [int(pair, 16) / 255 for pair in re.findall("..", colour.lstrip("#"))]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_stands_out_from_what_is_below_it(theme: Theme) -> None:
    """WCAG's 4.5 to 1 for every colour of text on every area that it may stand on."""
    looks = [*theme.steps.values(), *theme.frames.values()]
    areas = [theme.ground, *(look.fill for look in looks)]
    pairs = [(ink, area) for ink in (theme.ink, theme.faint) for area in areas]
    pairs += [(ink, area) for ink in (theme.keyword, theme.string) for area in areas]
    pairs += [(look.ink, look.fill) for look in looks]
    poor = [(ink, area, round(contrast(ink, area), 2)) for ink, area in pairs]
    assert [each for each in poor if each[2] < 4.5] == []
