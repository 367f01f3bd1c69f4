"""What stands above this layer, handed down.

Decorators need a compiler, handles need a running client, and neither may be
imported from here: `waymark.app` installs them when the package is imported.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING

from waymark.errors import NotStartedError, RegistrationError
from waymark.graph.model import Graph

if TYPE_CHECKING:
    from waymark.compiler.diagnostics import Diagnostic

    from .handle import Client
    from .workflow import WorkflowDefinition


@dataclass(frozen=True, slots=True)
class Compiled:
    """What the compiler made of a workflow.

    `graph` is None while names in `unresolved` have no meaning yet (an action
    defined further down the module); `hash` and `document` are then empty.
    `hash` has 16 bytes; `document` is the JSON text that is stored. `warnings` are
    what is likely a mistake, in source order.
    """

    graph: Graph | None
    hash: bytes = b""
    document: str = ""
    unresolved: tuple[str, ...] = ()
    warnings: tuple[Diagnostic, ...] = ()


def not_started() -> Client:
    """The client while nothing runs."""
    raise NotStartedError(
        "Waymark is not started in this process. Await `waymark.start()` first (in the lifespan of"
        " the app), or wrap the code in `async with waymark.running():`."
    )


#: `(definition, final)`. Not final: unresolved names are reported, not refused.
compiler: Callable[[WorkflowDefinition, bool], Compiled] | None = None

#: Is told what keeps a class from being registered, and in which frame, and lets the
#: import go on (in a check); while there is none, the error is raised.
refused: Callable[[RegistrationError, FrameType], None] | None = None

#: The client of what runs in this process and loop.
client: Callable[[], Client] = not_started

#: `(graph, format)`, format being one of `VISUAL_FORMATS`.
render: Callable[[Graph, str], str] | None = None

#: What `Workflow.visualize` can draw.
VISUAL_FORMATS = ("text", "mermaid", "svg")
