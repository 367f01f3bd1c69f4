"""Looking at a graph: `render(graph, form)`, the forms being those of `_FORMS`."""

from __future__ import annotations

from collections.abc import Callable

from waymark.graph.model import Graph

from .drawing.mermaid import flowchart
from .drawing.picture import Picture
from .drawing.sketch import sketch
from .drawing.svg import svg
from .drawing.tree import tree

_FORMS: dict[str, Callable[[Picture], str]] = {"text": tree, "mermaid": flowchart, "svg": svg}


def render(graph: Graph, form: str = "text") -> str:
    """The graph as people read it. Raises ValueError for an unknown format."""
    drawn = _FORMS.get(form)
    if drawn is None:
        known = ", ".join(map(repr, _FORMS))
        raise ValueError(f"format {form!r}: the formats are {known}")
    return drawn(sketch(graph))
