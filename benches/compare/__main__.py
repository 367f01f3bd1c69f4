"""Waymark beside DBOS, Oban, Procrastinate, PgQueuer and Absurd, on the same server.

    python -m benches.compare [--only NAME ...] [--repeat N] [--python PATH] [--json]

Each library is installed from PyPI, in the pinned versions of `requirements/`, into a
virtualenv of its own (kept in `.virtualenvs/`). A turn is a process that submits and works,
as a small web app would, in a database of its own that was made for it; before each turn of
a library Waymark has one, and a ratio is the median over these pairs. `shape.py` says what
is measured, and each file in `peers/` with which settings and why.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from benches.figures import surroundings, write
from benches.server import bench_server

from .environment import LIBRARIES, ROOT, Library, Unavailable, environment_of, interpreter
from .measured import Sizes

REPEAT = 3
DATABASE = "waymark_bench_compare"
#: So long may one turn take.
TURN_SECONDS_MAX = 600.0

SHAPES = {
    "runs": ("one-action runs/s", "runs/s"),
    "chains": ("chains, actions/s", "actions/s"),
    "fan_out": ("fan-out, actions/s", "actions/s"),
    "latency": ("idle p50, ms", "ms"),
}


@dataclass(frozen=True, slots=True)
class Compared:
    """One library: `figures` and `waymark` are medians, `ratios` how many times as fast
    Waymark was, by shape."""

    name: str
    version: str
    python: str
    settings: str
    chain: str
    join: str
    figures: dict[str, float]
    waymark: dict[str, float]
    ratios: dict[str, float]


async def fresh_database(url: str, create: bool) -> None:
    """Drop the database of the last turn; make it again."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"drop database if exists {DATABASE} with (force)")
        if create:
            await connection.execute(f"create database {DATABASE}")
        await connection.execute("checkpoint")
    finally:
        await connection.close()


def turn(python: str, name: str, url: str, sizes: Sizes, env: dict[str, str] | None) -> Any:
    """One measurement in a process of its own."""
    asyncio.run(fresh_database(url, create=True))
    own = urlunsplit(urlsplit(url)._replace(path=f"/{DATABASE}"))
    command = [python, "-m", "benches.compare.measured", name, own, json.dumps(asdict(sizes))]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=TURN_SECONDS_MAX,
    )
    if done.returncode:
        raise RuntimeError(f"{name} failed; its own message stands above")
    return json.loads(done.stdout.splitlines()[-1])


def ratio(shape: str, ours: float, theirs: float) -> float:
    """How many times as fast Waymark was."""
    return theirs / ours if shape == "latency" else ours / theirs


def compare(library: Library, python: str, url: str, sizes: Sizes, repeat: int) -> Compared:
    """Pairs of turns; `python` is that of the library's virtualenv."""
    env = environment_of(library)
    ours, theirs = [], []
    for _ in range(repeat):
        ours.append(turn(sys.executable, "waymark", url, sizes, None)["figures"])
        found = turn(python, library.name, url, sizes, env)
        theirs.append(found["figures"])
    return Compared(
        library.distribution,
        library.version,
        *(found["python"], found["SETTINGS"], found["CHAIN"], found["JOIN"]),
        {shape: median(turn[shape] for turn in theirs) for shape in SHAPES},
        {shape: median(turn[shape] for turn in ours) for shape in SHAPES},
        {
            shape: median(
                ratio(shape, mine[shape], other[shape])
                for mine, other in zip(ours, theirs, strict=True)
            )
            for shape in SHAPES
        },
    )


def markdown(found: Sequence[Compared]) -> str:
    """A line for each library: its figures, and in brackets how many times as fast Waymark was."""
    lines = [f"| | {' | '.join(what for what, _ in SHAPES.values())} |", "|---|" + "---|" * 4]
    if found:
        ours = {shape: median(one.waymark[shape] for one in found) for shape in SHAPES}
        cells = " | ".join(number(ours[shape]) for shape in SHAPES)
        lines.append(f"| Waymark, this tree | {cells} |")
    for one in found:
        cells = " | ".join(
            f"{number(one.figures[shape])} ({number(one.ratios[shape])} x)" for shape in SHAPES
        )
        lines.append(f"| {one.name} {one.version} | {cells} |")
    lines += ["", "| | Python | settings | chain | fan-out |", "|---|---|---|---|---|"]
    for one in found:
        cells = (one.python, f"`{one.settings}`", one.chain, one.join)
        lines.append(f"| {one.name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benches.compare")
    names = [library.name for library in LIBRARIES]
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME")
    parser.add_argument("--repeat", type=int, default=REPEAT, help="pairs of turns")
    parser.add_argument("--python", help="for a library that needs a newer one than this")
    parser.add_argument("--short", action="store_true", help="a tenth of the work: does it run?")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare, print, and keep the result as JSON; fail when a library could not be measured."""
    options = parse(arguments)
    sizes = Sizes(200, (20, 200), 30, 5, 200, 5) if options.short else Sizes()
    found: list[Compared] = []
    failed: dict[str, str] = {}
    with bench_server() as url:
        for library in LIBRARIES:
            if library.name not in options.only:
                continue
            try:
                python = interpreter(library, options.python)
                found.append(compare(library, python, url, sizes, options.repeat))
            except (Unavailable, RuntimeError, subprocess.TimeoutExpired) as error:
                failed[library.name] = str(error)
                print(f"{library.name}: {error}", file=sys.stderr)
        asyncio.run(fresh_database(url, create=False))
    about = {**surroundings(), "repeat": str(options.repeat)}
    whole = {"about": about, "compared": [asdict(one) for one in found], "failed": failed}
    text = json.dumps(whole, indent=2)
    path = write("compare", text)
    print(text if options.json else f"{markdown(found)}\n\n{about}\n{path}")
    if failed:
        sys.exit(f"not measured: {', '.join(failed)}")


if __name__ == "__main__":
    main()
