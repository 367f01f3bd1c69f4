"""Where the time of a compilation goes, and that of loading a stored graph.

    python -m benches.compiling [--rounds N] [--corpus]

Milliseconds of CPU of the workflow of `benches.test_compile`, the least of so many rounds for
each part. What a part calls is in it; `the rest` is what none of the parts has. With `--corpus`
the workflows of `tests/oracle/work_*.py` instead, which read like real work: what it takes to
load the stored graph of each.
"""

from __future__ import annotations

import argparse
import functools
import importlib
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median_low
from typing import Any

from benches.test_compile import LONG, definition_of, imported
from waymark.authoring.registry import registry
from waymark.compiler import functions, warned, workflow
from waymark.compiler.source import forget_sources
from waymark.graph.codec import from_document
from waymark.graph.fingerprint import fingerprint
from waymark.graph.validation import validate
from waymark.runtime.programs import Programs, load_program
from waymark.store.memory import MemoryStore

Spent = Counter[str]


def watched(part: str, function: Callable[..., Any], spent: Spent) -> Callable[..., Any]:
    """`function`, the time of which counts for `part`."""

    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        begun = time.process_time_ns()
        try:
            return function(*arguments, **named)
        finally:
            spent[part] += time.process_time_ns() - begun

    return call


def watch_compiler(spent: Spent) -> None:
    """Put watched functions into the places of the compiler's own."""
    for module, name, part in (
        (functions, "find_source", "find the source, and compare it with the code"),
        (functions, "prepare", "prepare a copy: decide names"),
        (functions, "check_calls", "check calls"),
        (functions, "_lowered", "lower to nodes, code to text"),
        (workflow, "validate", "check the graph"),
        (workflow, "fingerprint", "hash it"),
        (workflow, "to_document", "write it"),
        (workflow, "warnings_of", "warnings"),
    ):
        setattr(module, name, watched(part, getattr(module, name), spent))
    checks = warned._CHECKS
    types = [watched("warnings of types", check, spent) for check in checks[-2:]]
    vars(warned)["_CHECKS"] = (*checks[:-2], *types)


def least(work: Callable[[], object], rounds: int, spent: Spent) -> Spent:
    """The least that each part, and the whole, took in so many rounds."""
    found: Spent = Counter()
    for number in range(rounds):
        spent.clear()
        watched("the whole", work, spent)()
        found = spent.copy() if number == 0 else found & spent
    return found


def show(title: str, found: Spent) -> None:
    print(title)
    for part, spent_ns in found.items():
        print(f"{spent_ns / 1e6:8.1f}  {part}")


def load_corpus(rounds: int) -> None:
    """Print what it takes to load the graphs of real work, each the least of so many rounds."""
    for path in sorted(Path("tests/oracle").glob("work_*.py")):
        importlib.import_module(f"tests.oracle.{path.stem}")
    links = Programs(MemoryStore())._links
    found: list[tuple[float, str]] = []
    for definition in registry.workflows():
        document, digest = definition.link().document, definition.hash

        def load(document: str = document, digest: bytes = digest) -> None:
            graph = from_document(document)
            validate(graph)
            assert fingerprint(graph) == digest
            load_program(graph, digest, links)

        found.append((least(load, rounds, Counter())["the whole"] / 1e6, definition.name))
    found.sort()
    longest, name = found[-1]
    print(f"{len(found)} workflows, milliseconds to load: median {median_low(found)[0]:.1f},")
    print(f"longest {longest:.1f} ({name})")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benches.compiling")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--corpus", action="store_true", help="load the graphs of real work")
    options = parser.parse_args()
    rounds = options.rounds
    if options.corpus:
        load_corpus(rounds)
        return
    with tempfile.TemporaryDirectory() as name, registry.isolated():
        definition = definition_of(imported(Path(name), "compiled", LONG).Long)
        spent: Spent = Counter()
        document = definition.link().document
        links = Programs(MemoryStore())._links

        def load() -> None:
            graph = watched("read the document", from_document, spent)(document)
            watched("check the graph", validate, spent)(graph)
            digest = watched("hash it", fingerprint, spent)(graph)
            watched("make the program", load_program, spent)(graph, digest, links)

        loading = least(load, rounds, spent)
        watch_compiler(spent)

        def compile_it() -> None:
            forget_sources()
            workflow.compile_workflow(definition, True)

        show("compile 200 lines", least(compile_it, rounds, spent))
        show("load the stored graph", loading)


if __name__ == "__main__":
    main()
