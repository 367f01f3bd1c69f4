"""Colours and type of an SVG picture, for light and for dark backgrounds.

The picture brings its own ground, so that it is legible wherever it is shown;
which of the two it takes follows the viewer's system. Rules name the class of the
picture, so that they touch nothing else on a page that it stands in.
"""

from __future__ import annotations

from dataclasses import dataclass

_CODE = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono','Liberation Mono',monospace"
_SANS = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,'DejaVu Sans',sans-serif"


@dataclass(frozen=True, slots=True)
class Look:
    """Three colours of one kind: the area, its edge, and text upon it."""

    fill: str
    edge: str
    ink: str


@dataclass(frozen=True, slots=True)
class Theme:
    """All colours of a picture. Steps are filled areas; a frame's fill is that of
    its title, the room below has a breath of it."""

    ground: str
    border: str
    ink: str
    faint: str
    flow: str
    keyword: str
    string: str
    steps: dict[str, Look]
    frames: dict[str, Look]


LIGHT = Theme(
    ground="#ffffff",
    border="#e2e8f0",
    ink="#0f172a",
    faint="#5b6678",
    flow="#64748b",
    keyword="#7c3aed",
    string="#036c4e",
    steps={
        "action": Look("#e8eeff", "#5b7cfa", "#2f4bd6"),
        "call": Look("#e0f7fa", "#22a6b8", "#0b6b7a"),
        "child": Look("#f3ebff", "#a274f0", "#7434c9"),
        "start": Look("#e6f4ff", "#4aa3e8", "#1767ac"),
        "time": Look("#fff6dc", "#e0a920", "#8a5a00"),
        "wait": Look("#eef1f6", "#8391a7", "#475569"),
        "compute": Look("#ffffff", "#cbd5e1", "#475569"),
        "return": Look("#e2f8ec", "#2fae72", "#0b6b43"),
        "raise": Look("#ffe9e9", "#ea5a5a", "#b42323"),
        "jump": Look("#f1f5f9", "#7b8aa0", "#475569"),
    },
    frames={
        "function": Look("#f1f5f9", "#cbd5e1", "#475569"),
        "branch": Look("#eceff5", "#b4c0d1", "#475569"),
        "loop": Look("#ddf3ee", "#5dbba6", "#0f6a58"),
        "try": Look("#fdeadf", "#eba77f", "#98481a"),
        "parallel": Look("#e3e8fb", "#93a5ea", "#3a4fb8"),
        "group": Look("#e3e8fb", "#93a5ea", "#3a4fb8"),
        "scope": Look("#f7efd9", "#d9c07a", "#785a08"),
    },
)
DARK = Theme(
    ground="#0f1521",
    border="#273244",
    ink="#e6ebf4",
    faint="#9aa8bd",
    flow="#8494ad",
    keyword="#c4a5ff",
    string="#7fd6ae",
    steps={
        "action": Look("#1c2a55", "#5b7cfa", "#aebfff"),
        "call": Look("#0f3540", "#2aa7b9", "#86dbe7"),
        "child": Look("#2e2050", "#9a6cf0", "#cfb4ff"),
        "start": Look("#12304a", "#3f98dc", "#98cffa"),
        "time": Look("#3a2e0c", "#c7951c", "#f3cf74"),
        "wait": Look("#232d3d", "#72829b", "#bcc8da"),
        "compute": Look("#151d2b", "#3b4a61", "#bcc8da"),
        "return": Look("#0f3526", "#2fae72", "#86e0b4"),
        "raise": Look("#461c20", "#e25b5b", "#ffb0b0"),
        "jump": Look("#222c3b", "#7c8ba3", "#bcc8da"),
    },
    frames={
        "function": Look("#1a2333", "#334155", "#b6c2d4"),
        "branch": Look("#222c3c", "#4a5a72", "#b6c2d4"),
        "loop": Look("#12342f", "#34806f", "#8bd9c6"),
        "try": Look("#3b2418", "#9c6039", "#f2b48e"),
        "parallel": Look("#202a52", "#5266b8", "#b3c0ff"),
        "group": Look("#202a52", "#5266b8", "#b3c0ff"),
        "scope": Look("#352c12", "#85712f", "#e6cd85"),
    },
)


def _colours(theme: Theme, scope: str) -> str:
    """Rules of one theme, each beginning with `scope`."""
    rules = [
        f".ground{{fill:{theme.ground};stroke:{theme.border}}}",
        f"text,.dot{{fill:{theme.ink}}}",
        f".line,.note,.module{{fill:{theme.faint}}}",
        f".flow,.end{{stroke:{theme.flow}}}",
        f".flow.tip{{fill:{theme.flow}}}",
        f".end{{fill:{theme.ground}}}",
        f".k{{fill:{theme.keyword}}}",
        f".s{{fill:{theme.string}}}",
        f".fault{{stroke:{theme.steps['raise'].edge}}}",
        f".fault.tip{{fill:{theme.steps['raise'].edge}}}",
    ]
    for kind, look in theme.frames.items():
        rules += [
            f".frame.{kind}>.room,.frame.{kind}>.title{{fill:{look.fill}}}",
            f".frame.{kind}>.edge{{stroke:{look.edge}}}",
            f".frame.{kind}>.label{{fill:{look.ink}}}",
            f".frame.{kind}>.bar>.card{{fill:{look.fill};stroke:{look.edge}}}",
        ]
    rules.append(f".frame>.bar.except>.card{{fill:{theme.steps['raise'].fill}}}")
    for kind, look in theme.steps.items():
        rules += [
            f".{kind}>.card{{fill:{look.fill};stroke:{look.edge}}}",
            f".{kind}>.label,.{kind} .c{{fill:{look.ink}}}",
        ]
    return "".join(f"{_scoped(rule, scope)}\n" for rule in rules)


def _scoped(rule: str, scope: str) -> str:
    selectors, _, body = rule.partition("{")
    return ",".join(f"{scope} {each}" for each in selectors.split(",")) + "{" + body


_TYPE = f"""
.waymark text{{font:12px {_SANS}}}
.waymark .code{{font:12px {_CODE};white-space:pre}}
.waymark .line{{font:11px {_CODE}}}
.waymark .note{{font:11px {_CODE}}}
.waymark .label{{font-size:10px;font-weight:700;letter-spacing:.06em}}
.waymark .name{{font-size:18px;font-weight:700}}
.waymark .c{{font-weight:700}}
.waymark .maybe{{stroke-dasharray:5 3}}
.waymark .edge{{fill:none}}
.waymark .flow,.waymark .fault{{fill:none;stroke-width:1.5}}
.waymark .fault{{stroke-dasharray:4 3}}
.waymark .tip{{stroke-dasharray:none;stroke-linejoin:round}}
.waymark .room{{fill-opacity:.28}}
.waymark .end{{stroke-width:1.5}}
"""

STYLE = (
    _TYPE
    + _colours(LIGHT, ".waymark")
    + "@media (prefers-color-scheme:dark){\n"
    + _colours(DARK, ".waymark")
    + "}\n"
)
