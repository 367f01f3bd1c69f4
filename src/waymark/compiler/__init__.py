"""Source to graph: `compile_workflow`, and `render` to look at the result."""

from .workflow import compile_workflow

__all__ = ["compile_workflow"]
