"""A picture as SVG: one document that stands for itself, without scripts or fonts."""

from __future__ import annotations

from html import escape

from .canvas import TITLE_WIDTH, Canvas, width_of
from .frames import panel_of
from .picture import Picture
from .style import STYLE
from .words import clean

_MARGIN = 24
_HEADING = 62
_APART = 28
#: Helpers stand to the right of `run` up to this width of the whole.
_BROAD = 1240


def svg(picture: Picture) -> str:
    """The SVG document."""
    frames = [panel_of(panel, main=position == 0) for position, panel in enumerate(picture.panels)]
    first, *others = frames
    module, _, name = picture.workflow.rpartition(":")
    side = max((frame.width for frame in others), default=0)
    beside = bool(others) and first.width + _APART + side + 2 * _MARGIN <= _BROAD
    to = Canvas()
    to.text("name", _MARGIN, 32, name)
    to.text("module", _MARGIN, 50, module)
    first.draw(to, _MARGIN, _HEADING, first.width)
    x, y = _MARGIN, _HEADING + first.height + _APART
    if beside:
        x, y = _MARGIN + first.width + _APART, _HEADING
    for frame in others:
        frame.draw(to, x, y, frame.width)
        y += frame.height + _APART
    width = x + max(side, 0 if beside else first.width) + _MARGIN
    width = max(width, width_of(name, TITLE_WIDTH) + 2 * _MARGIN)
    height = max(_HEADING + first.height, y - _APART) + _MARGIN
    return _document(picture.workflow, width, height, to.lines)


def _document(workflow: str, width: int, height: int, lines: list[str]) -> str:
    name = escape(clean(workflow))
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="waymark" role="img" width="{width}"'
        f' height="{height}" viewBox="0 0 {width} {height}"'
        f' style="max-width:100%;height:auto">'
    )
    ground = f'<rect class="ground" width="{width}" height="{height}" rx="12"/>'
    parts = (head, f"<title>{name}</title>", f"<style>{STYLE}</style>", ground, *lines, "</svg>")
    return "\n".join(parts) + "\n"
