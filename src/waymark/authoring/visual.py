"""How workflows show themselves in a notebook.

IPython asks an object for `_repr_svg_`, but never a class, as the method would be
meant for its instances. What it does ask is a table of printers by type, in which
a class is an instance of `type`; so one printer stands there that answers for
workflows, and for other classes as if it were not there.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from waymark.graph.model import Graph


class Visual(str):
    """A drawing as text. In a notebook it shows as a picture, but for Mermaid,
    which is to be copied elsewhere."""

    __slots__ = ("_picture",)

    _picture: Callable[[], str] | None

    @classmethod
    def drawn(cls, render: Callable[[Graph, str], str], graph: Graph, form: str) -> Visual:
        """The drawing of `graph` in the format `form`."""
        visual = cls(render(graph, form))
        visual._picture = None if form == "mermaid" else lambda: render(graph, "svg")
        return visual

    def _repr_svg_(self) -> str | None:
        return None if self._picture is None else self._picture()

    def _repr_pretty_(self, printer: _Printer, cycle: bool) -> None:
        """Its lines, not a literal of them."""
        printer.text(str(self))


class _Printer(Protocol):
    def text(self, text: str) -> None: ...


def show_classes(picture_of: Callable[[type], str | None]) -> None:
    """Have the notebook that this runs in, if any, show classes as the picture that
    `picture_of` makes of them; None leaves a class as it was shown before."""
    ipython: Any = sys.modules.get("IPython")
    shell: Any = ipython.get_ipython() if hasattr(ipython, "get_ipython") else None
    if shell is None:
        return
    pictures = shell.display_formatter.formatters["image/svg+xml"]
    before = pictures.type_printers.get(type)
    if not isinstance(before, _ClassPrinter):
        pictures.for_type(type, _ClassPrinter(picture_of, before))


@dataclass(frozen=True, slots=True)
class _ClassPrinter:
    """The picture of a class that has one, else what was shown before."""

    picture_of: Callable[[type], str | None]
    before: Callable[[type], str | None] | None

    def __call__(self, cls: type) -> str | None:
        picture = self.picture_of(cls)
        if picture is None and self.before is not None:
            return self.before(cls)
        return picture
