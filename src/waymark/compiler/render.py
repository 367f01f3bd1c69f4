"""Looking at a graph: `render(graph, "text")` and `render(graph, "mermaid")`."""

from __future__ import annotations

from waymark.graph.model import Graph

from .mermaid import flowchart
from .tree import tree


def render(graph: Graph, form: str = "text") -> str:
    """The graph as people read it. Raises ValueError for an unknown format."""
    match form:
        case "text":
            return tree(graph)
        case "mermaid":
            return flowchart(graph)
        case _:
            raise ValueError(f"format {form!r}: the formats are 'text' and 'mermaid'")
