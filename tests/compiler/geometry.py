"""What holds of every SVG picture, read from the picture itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import combinations, pairwise
from xml.etree import ElementTree as ET

from waymark.compiler.drawing.words import columns

ELEMENTS = {"svg", "title", "style", "g", "rect", "path", "circle", "text", "tspan"}
ATTRIBUTES = {
    *("xmlns", "class", "role", "width", "height", "viewBox", "style", "x", "y", "rx", "d"),
    *("cx", "cy", "r", "text-anchor", "data-node"),
}
#: The widest characters of the fonts that a picture asks for, in pixels.
PIXELS = {"code": 7.23, "line": 6.63, "note": 6.63, "label": 8.0}


@dataclass(frozen=True)
class Box:
    left: float
    top: float
    right: float
    bottom: float

    def holds(self, other: Box, slack: float = 0.0) -> bool:
        return (
            self.left - slack <= other.left
            and self.top - slack <= other.top
            and other.right <= self.right + slack
            and other.bottom <= self.bottom + slack
        )

    def apart_from(self, other: Box) -> bool:
        return (
            self.right <= other.left
            or other.right <= self.left
            or self.bottom <= other.top
            or other.bottom <= self.top
        )

    def crosses(self, other: Box) -> bool:
        """Whether two thin boxes lie across each other, and do not merely meet."""
        pairs = (self, other), (other, self)
        return any(
            wide.left < tall.left < wide.right
            and wide.left < tall.right < wide.right
            and tall.top < wide.top < tall.bottom
            and tall.top < wide.bottom < tall.bottom
            for wide, tall in pairs
        )


def parsed(svg: str) -> ET.Element:
    """The document, every element and attribute of it being a known one."""
    root = ET.fromstring(svg)
    for element in root.iter():
        assert _tag(element) in ELEMENTS
        assert set(element.attrib) <= ATTRIBUTES, element.attrib
    assert "url(" not in svg
    assert "@import" not in svg
    return root


def check_geometry(svg: str) -> None:
    """Texts stand in their boxes, boxes in boxes or apart, and lines cross none."""
    root = parsed(svg)
    whole = Box(0, 0, float(root.attrib["width"]), float(root.attrib["height"]))
    steps, frames = _boxes(root, "card"), _boxes(root, "edge")
    for one, other in combinations(steps, 2):
        assert one.apart_from(other), (one, other)
    for one, other in combinations(frames, 2):
        assert one.apart_from(other) or one.holds(other) or other.holds(one), (one, other)
    for frame in frames:
        assert whole.holds(frame)
        for step in steps:
            assert frame.apart_from(step) or frame.holds(step), (frame, step)
    lines = _lines(root)
    for one, other in combinations(lines, 2):
        assert not one.crosses(other), (one, other)
    for line in lines:
        assert whole.holds(line), line
        inside = [step for step in steps if not step.apart_from(line)]
        assert not inside, (line, inside)
    _check_texts(root)


def nodes(svg: str) -> list[int]:
    """The numbers of the graph's nodes that the picture shows."""
    return [
        int(number)
        for element in parsed(svg).iter()
        for number in element.attrib.get("data-node", "").split()
    ]


def texts(svg: str) -> list[str]:
    """Everything that is written in the picture."""
    return ["".join(each.itertext()) for each in parsed(svg).iter() if _tag(each) == "text"]


def _tag(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2]


def _box(element: ET.Element) -> Box:
    left, top = float(element.attrib["x"]), float(element.attrib["y"])
    width, height = float(element.attrib["width"]), float(element.attrib["height"])
    return Box(left, top, left + width, top + height)


def _boxes(root: ET.Element, kind: str) -> list[Box]:
    """Boxes of one kind; of a stack of cards, the front one and the room of all."""
    found: list[Box] = []
    for group in root.iter():
        inside = [each for each in group if each.attrib.get("class", "").split()[:1] == [kind]]
        boxes = [_box(each) for each in inside]
        if boxes:
            lefts, tops = [box.left for box in boxes], [box.top for box in boxes]
            rights, bottoms = [box.right for box in boxes], [box.bottom for box in boxes]
            found.append(Box(min(lefts), min(tops), max(rights), max(bottoms)))
    return found


def _lines(root: ET.Element) -> list[Box]:
    """Each straight piece of each line, as the thin box between its ends."""
    found: list[Box] = []
    for path in root.iter():
        if path.attrib.get("class") not in ("flow", "fault"):
            continue
        numbers = [float(number) for number in re.findall(r"-?[\d.]+", path.attrib["d"])]
        points = list(zip(numbers[::2], numbers[1::2], strict=True))
        for (x, y), (other_x, other_y) in pairwise(points):
            ends = sorted((x, other_x)), sorted((y, other_y))
            found.append(Box(ends[0][0], ends[1][0], ends[0][1], ends[1][1]))
    return found


def _check_texts(root: ET.Element) -> None:
    for group in root.iter():
        boxes = [each for each in group if each.attrib.get("class", "").split()[:1] == ["card"]]
        boxes = boxes or [each for each in group if each.attrib.get("class") == "edge"]
        if not boxes:
            continue
        front = _box(boxes[-1])
        written = [each for each in group if _tag(each) == "text"]
        for text in written:
            assert front.holds(_extent(text)), "".join(text.itertext())
        for one, other in combinations(written, 2):
            assert _extent(one).apart_from(_extent(other)), "".join(one.itertext())


def _extent(text: ET.Element) -> Box:
    width = columns("".join(text.itertext())) * PIXELS[text.attrib["class"]]
    x, y = float(text.attrib["x"]), float(text.attrib["y"])
    left = x - width if text.attrib.get("text-anchor") == "end" else x
    return Box(left, y - 10, left + width, y + 4)
