"""A figure beside its limit and its mark, as a line of a table and as JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

RESULTS = Path(__file__).with_name("results")


@dataclass(frozen=True, slots=True)
class Figure:
    """`limit` is in the unit of `value`, from the same run, where there is one.
    `ratio` is the median of value over limit, each pair measured side by side.
    `met` says whether `mark` is; None where nothing is asked. `noise` is by what share the
    middle half of the ratios differs from its median: less than that has no meaning."""

    name: str
    what: str
    value: float
    unit: str
    limit: float | None = None
    ratio: float | None = None
    mark: str = ""
    met: bool | None = None
    noise: float | None = None


def paired(
    name: str, what: str, unit: str, pairs: Sequence[tuple[float, float]], least: float = 0
) -> Figure:
    """The figure of pairs of limit and value, of which `least` is wanted, if any."""
    limits, values = zip(*pairs, strict=True)
    ratios = sorted(value / limit for limit, value in pairs)
    quarter = len(ratios) // 4
    ratio = median(ratios)
    return Figure(
        *(name, what, median(values), unit, median(limits), ratio),
        mark=f">= {least}" if least else "",
        met=ratio >= least if least else None,
        noise=(ratios[-1 - quarter] - ratios[quarter]) / 2 / ratio,
    )


def table(figures: Sequence[Figure]) -> str:
    """One line for each figure, with a heading."""
    heading = ("", "measured", "", "limit", "ratio", "mark", "met")
    rows = [heading, *(_row(figure) for figure in figures)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(heading))]
    left = {0, 2, 5, 6}
    lines = [
        "  ".join(
            cell.ljust(width) if at in left else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return "\n".join(lines)


def markdown(figures: Sequence[Figure]) -> str:
    """The same table for docs/benchmarks.md."""
    lines = ["| | measured | limit | ratio | mark | met |", "|---|---|---|---|---|---|"]
    for figure in figures:
        what, value, unit, *others = _row(figure)
        lines.append(f"| {' | '.join((what, f'{value} {unit}', *others))} |")
    return "\n".join(lines)


def _row(figure: Figure) -> tuple[str, ...]:
    met = {None: "", True: "yes", False: "NO"}[figure.met]
    return (
        figure.what,
        _number(figure.value),
        figure.unit,
        _number(figure.limit),
        "" if figure.ratio is None else f"{figure.ratio:.2f}",
        figure.mark,
        met,
    )


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2f}"


def surroundings() -> dict[str, str]:
    """What the figures depend on, the server apart."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "cpus": str(os.cpu_count()),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def as_json(figures: Sequence[Figure], about: Mapping[str, str]) -> str:
    """Everything that was measured, readable by people too."""
    return json.dumps(
        {"about": dict(about), "figures": [asdict(figure) for figure in figures]}, indent=2
    )


def write(name: str, text: str) -> Path:
    """Keep a result under the time it was written at."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}-{datetime.now(UTC):%Y%m%dT%H%M%S}.json"
    path.write_text(text + "\n", encoding="utf-8")
    return path
