"""What became faster or slower since the last release, beyond the noise.

    python -m benches.moved [--write] [--repeat N] [name ...]

The benches of the whole system are measured in pairs with the limit of this machine, here and
now, and their ratios compared with those that are stored in `results/baseline.json`; figures
without a limit are compared as they are. A change counts when it is larger than the noise of
both measurements together, and than `LEAST`. `--write` stores what was measured, before a
release. Nothing fails: a busy machine moves ratios too; instructions are what CI holds to
(`python -m benches.instructions --check`).
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from . import stored
from .figures import Figure, as_json, table, write
from .server import bench_server
from .system import BENCHES, measure

KIND, KEY = "whole system", "ratios"
REPEAT = 9
#: No smaller change is told, however quiet the machine seemed.
LEAST = 0.1
#: Less of these is better.
COSTS = {"ms", "MiB", "times"}


def reading(figure: Figure) -> dict[str, Any]:
    """What is stored of a figure: its ratio where it has one, and the noise of that."""
    value = figure.value if figure.ratio is None else figure.ratio
    return {"value": value, "noise": figure.noise or 0.0, "unit": figure.unit}


def change(now: Mapping[str, Any], before: Mapping[str, Any]) -> tuple[float, bool]:
    """By what share a reading is above the stored one, and whether that is beyond the noise."""
    share = now["value"] / before["value"] - 1
    return share, abs(share) > max(LEAST, now["noise"] + before["noise"])


def moved(figures: Sequence[Figure], before: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A line for each figure that moved."""
    lines: list[str] = []
    for figure in figures:
        if figure.name not in before:
            lines.append(f"new     {figure.what}")
            continue
        share, beyond = change(reading(figure), before[figure.name])
        if beyond:
            verdict = "better" if (share < 0) == (figure.unit in COSTS) else "WORSE"
            lines.append(f"{verdict:<7} {figure.what}: {share:+.0%}")
    return lines


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and say what moved."""
    parser = argparse.ArgumentParser(prog="python -m benches.moved")
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(BENCHES))
    parser.add_argument("--repeat", type=int, default=REPEAT, help="medians of so many pairs")
    parser.add_argument("--write", action="store_true", help="store this as the release's")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(BENCHES):
        parser.error(f"no bench {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}")
    with bench_server() as dsn:
        names = options.names or list(BENCHES)
        figures, about = asyncio.run(measure(dsn, names, options.repeat, tune_gc=False))
    print(table(figures))
    print(write("moved", as_json(figures, about)))
    before = stored.read().get(KIND, {}).get(KEY, {})
    print("\n".join(moved(figures, before)) or "nothing moved beyond the noise")
    if options.write:
        readings = {figure.name: reading(figure) for figure in figures}
        stored.store(KIND, KEY, {**before, **readings})
        stored.store(KIND, "about", about)


if __name__ == "__main__":
    main()
