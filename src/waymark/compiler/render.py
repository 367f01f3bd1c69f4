"""Looking at a graph: `render(graph, "text" | "mermaid" | "svg")`."""

from __future__ import annotations

from waymark.authoring.hooks import VISUAL_FORMATS
from waymark.graph.model import Graph


def render(graph: Graph, form: str = "text") -> str:
    """The graph as people read it. Raises ValueError for an unknown format."""
    # Most processes never draw, so they do not load what draws.
    from .drawing.sketch import sketch

    match form:
        case "text":
            from .drawing.tree import tree

            return tree(sketch(graph))
        case "mermaid":
            from .drawing.mermaid import flowchart

            return flowchart(sketch(graph))
        case "svg":
            from .drawing.svg import svg

            return svg(sketch(graph))
        case _:
            known = ", ".join(map(repr, VISUAL_FORMATS))
            raise ValueError(f"format {form!r}: the formats are {known}")
