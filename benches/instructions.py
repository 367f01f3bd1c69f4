"""How many instructions the pure parts execute: a measure that no other work disturbs.

    python -m benches.instructions [--check | --write] [--valgrind]

Counts of Python's instructions are exact for one minor version of Python; valgrind's, of the
machine, see what C does as well, and hold for one build of Python only. Both are kept in
`results/baseline.json`, by that version or build. `--check` fails when a part executes more than
`MARGIN` above its stored count; less is told, and worth a `--write`.

A part is counted when it is warm: what it does once in a process is not its cost.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from benches import stored
from benches.layers import counting
from benches.test_compile import LONG, definition_of, imported
from benches.test_engine import RUN_ID, program_of, run_through
from benches.test_flush import Batches
from benches.test_values import CASES, registered
from benches.workloads import Chain, FanOut, OneAction
from waymark.authoring.registry import registry
from waymark.compiler import compile_workflow
from waymark.engine.session import Session
from waymark.store.postgres.columns import to_columns
from waymark.values import plan_for

MARGIN = 0.05
WARM_UP = 3
#: What the same command counts twice must not hang on the seed of hashes, nor on an accelerator.
ENVIRONMENT = {"PYTHONHASHSEED": "0", "WAYMARK_ENGINE": "python"}

WIDTH, ROWS = 100, 100

#: Valgrind repeats a part until it has executed so many of Python's instructions, since what a
#: process executes beside varies a little.
ENOUGH, REPEATS_MIN = 500_000, 3

#: Python's instructions, and the machine's.
PYTHON, MACHINE = "instructions of Python", "instructions of the machine"

Work = Callable[[], object]


def engine(workflow: type[Any], input: bytes) -> Work:
    """A run from its begin to its end."""
    program = asyncio.run(program_of(workflow))
    return lambda: run_through(Session(program, RUN_ID), input)


def recovery() -> Work:
    """A gather from its journal."""
    program = asyncio.run(program_of(FanOut))
    input = b'{"width":%d}' % WIDTH
    journal = run_through(Session(program, RUN_ID), input)
    return lambda: Session(program, RUN_ID).recover(input, 1, journal, 2)


def writing(case: str) -> Work:
    annotation, value = CASES[case]
    plan = plan_for(annotation, registered())
    return lambda: plan.dumps(value)


def reading(case: str) -> Work:
    annotation, value = CASES[case]
    plan = plan_for(annotation, registered())
    text = plan.dumps(value)
    return lambda: plan.loads(text)


def columns() -> Work:
    """A batch of the writer, laid out for the statement."""
    batches = Batches(UUID(int=1), ROWS)
    batches.next()
    batch = batches.next()
    return lambda: to_columns(batch)


def compiling() -> Work:
    """A workflow of 200 dense lines, from its source to its graph."""
    with tempfile.TemporaryDirectory() as name, registry.isolated():
        definition = definition_of(imported(Path(name), "counted", LONG).Long)

    def compile_it() -> None:
        compile_workflow(definition, True)

    compile_it()
    return compile_it


PARTS: Mapping[str, Callable[[], Work]] = {
    "run of one action": lambda: engine(OneAction, b'{"value":7}'),
    "chain of 5": lambda: engine(Chain, b'{"value":7}'),
    f"gather of {WIDTH}": lambda: engine(FanOut, b'{"width":%d}' % WIDTH),
    f"recovery of a gather of {WIDTH}": recovery,
    "write 100 models": lambda: writing("100 models"),
    "read 100 models": lambda: reading("100 models"),
    "write 100 dataclasses": lambda: writing("100 dataclasses"),
    "read 100 dataclasses": lambda: reading("100 dataclasses"),
    f"columns of {ROWS} rows of a kind": columns,
    "compile 200 lines": compiling,
}


def in_python() -> dict[str, int]:
    """Python's instructions for each part."""
    found: dict[str, int] = {}
    for name, prepare in PARTS.items():
        work = prepare()
        for _ in range(WARM_UP):
            work()
        with counting() as (instructions, _):
            work()
        found[name] = instructions.total()
        assert found[name], f"nothing was counted of {name}"
    return found


def repeat(chosen: str, times: int) -> None:
    """What valgrind counts: every part once or so, and one of them `times` times more."""
    works = {name: prepare() for name, prepare in PARTS.items()}
    for work in works.values():
        for _ in range(WARM_UP):
            work()
    for _ in range(times):
        works[chosen]()


def on_the_machine(in_python: Mapping[str, int]) -> dict[str, int]:
    """The machine's instructions for each part: what a process executes that repeats it, above
    one that does not. It takes some minutes."""
    found: dict[str, int] = {}
    idle = _under_valgrind(next(iter(PARTS)), 0)
    for name, count in in_python.items():
        times = max(REPEATS_MIN, ENOUGH // count)
        found[name] = round((_under_valgrind(name, times) - idle) / times)
    return found


def _under_valgrind(name: str, times: int) -> int:
    command = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    done = subprocess.run(
        [*command, sys.executable, "-m", "benches.instructions", "--repeat", name, str(times)],
        capture_output=True,
        text=True,
        check=False,
    )
    counted = re.search(r"I +refs: +([\d,]+)", done.stderr)
    if done.returncode or counted is None:
        raise RuntimeError(f"valgrind counted nothing:\n{done.stderr[-2000:]}")
    return int(counted[1].replace(",", ""))


def build() -> str:
    """What the machine's instructions hang on."""
    return f"{platform.python_version()} {platform.machine()} {platform.python_compiler()}"


def minor() -> str:
    """What Python's instructions hang on."""
    return ".".join(platform.python_version_tuple()[:2])


def compared(now: Mapping[str, int], before: Mapping[str, int]) -> tuple[list[str], list[str]]:
    """A line for each part, and the names of those that execute too much more."""
    lines, worse = [], []
    for name, count in now.items():
        change = count / before[name] - 1 if name in before else 0.0
        says = f"{change:+.1%}" if name in before else "new"
        if change > MARGIN:
            worse.append(name)
            says += " MORE"
        elif change < -MARGIN:
            says += " less: --write"
        lines.append(f"{name:<32} {count:>12,}  {says}")
    return lines, worse


def judge(kind: str, key: str, now: Mapping[str, int]) -> list[str]:
    """Print what was counted beside what is stored; the parts that grew too much."""
    before = stored.read().get(kind, {}).get(key)
    lines, worse = compared(now, before or {})
    print(f"{kind}, {key}\n" + "\n".join(lines))
    if before is None:
        print(f"nothing is stored for {key}: `python -m benches.instructions --write` does it")
    return worse


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benches.instructions")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help=f"fail above {MARGIN:.0%} more")
    what.add_argument("--write", action="store_true", help="store what is counted")
    what.add_argument("--repeat", nargs=2, metavar=("PART", "TIMES"), help=argparse.SUPPRESS)
    parser.add_argument("--valgrind", action="store_true", help="the machine's as well")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    if any(os.environ.get(name) != value for name, value in ENVIRONMENT.items()):
        command = [sys.executable, "-m", "benches.instructions", *(arguments or sys.argv[1:])]
        os.execve(sys.executable, command, {**os.environ, **ENVIRONMENT})
    if options.repeat:
        repeat(options.repeat[0], int(options.repeat[1]))
        return
    counts = [(PYTHON, minor(), in_python())]
    if options.valgrind and not shutil.which("valgrind"):
        sys.exit("there is no valgrind here; Debian's package of that name has it")
    if options.valgrind:
        counts.append((MACHINE, build(), on_the_machine(counts[0][2])))
    worse = [name for kind, key, found in counts for name in judge(kind, key, found)]
    if options.write:
        for kind, key, found in counts:
            stored.store(kind, key, found)
    elif options.check and worse:
        sys.exit(
            f"more than {MARGIN:.0%} above what is stored: {', '.join(worse)}. If that is the "
            "price of what the change is for, say so in its message, and store the counts: --write"
        )


if __name__ == "__main__":
    main()
