"""Source to graph: `compile_workflow`, and `render` to look at the result."""

from .diagnostics import Diagnostic
from .render import render
from .workflow import compile_workflow

__all__ = ["Diagnostic", "compile_workflow", "render"]
