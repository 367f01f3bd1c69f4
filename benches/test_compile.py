"""Compiling and loading: what a process pays at its start, and what a node costs.

The targets of docs/benchmarks.md: a workflow of 200 lines compiles in 50 ms, a module of 100
small ones is imported in 1 s, a stored graph is loaded in 5 ms, and a compute node costs 2 µs
more than the same code in a plain function.
"""

from __future__ import annotations

import sys
from pathlib import Path
from textwrap import indent
from types import ModuleType
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from waymark.authoring.registry import registry
from waymark.authoring.workflow import WorkflowDefinition
from waymark.compiler import compile_workflow
from waymark.compiler.source import forget_sources
from waymark.engine.outcomes import Finish
from waymark.engine.session import Session
from waymark.graph.codec import from_document
from waymark.graph.fingerprint import fingerprint
from waymark.graph.validation import validate
from waymark.runtime.programs import Programs, load_program
from waymark.store.memory import MemoryStore

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

HEAD = """
import asyncio
from pydantic import BaseModel
from waymark import Workflow, action, workflow

class User(BaseModel):
    id: str
    email: str
    nickname: str | None = None

@action
async def fetch(id: str) -> User: ...

@action
async def store(id: str, value: int) -> int: ...
"""

#: Twenty lines as people write them.
LINES = """
user = await fetch(f"user-{total}")
if user.nickname is not None and user.nickname.startswith("a"):
    total += await store(user.nickname, len(user.nickname))
elif total > 100:
    names = [part.strip().lower() for part in user.email.split("@") if part]
    total += sum(len(name) for name in names)
for number in range(3):
    try:
        total += await store(user.id, number * 2)
    except ValueError as error:
        seen.append(str(error))
        continue
results = await asyncio.gather(*[fetch(key) for key in keys], return_exceptions=True)
good = [result for result in results if not isinstance(result, BaseException)]
seen.extend(one.email for one in good)
table = {one.id: one.email for one in good}
while total > 1000:
    total = total // 2 if total % 2 == 0 else total - 1
    await asyncio.sleep(1)
seen.append(", ".join(sorted(table)))
"""

LONG = f"""{HEAD}
@workflow
class Long(Workflow):
    async def run(self, keys: list[str]) -> int:
        total = 0
        seen: list[str] = []
{indent(LINES * 10, " " * 8)}
        return total
"""

SMALL = """
@workflow
class Small{number}(Workflow):
    async def run(self, key: str, count: int) -> int:
        user = await fetch(key)
        if user.nickname:
            return await store(user.nickname, count)
        for number in range(count):
            await store(user.email, number)
        return count
"""

#: Four nodes in a turn: the loop's next item, two computes, a branch.
NODES = f"""{HEAD}
@workflow
class Nodes(Workflow):
    async def run(self, count: int) -> int:
        total = 0
        for number in range(count):
            total += number
            if total < 0:
                await store("never", total)
            total -= 1
        return total
"""
TURNS = 10_000


def imported(directory: Path, name: str, text: str) -> ModuleType:
    """A module from text, imported anew."""
    path = directory / f"{name}.py"
    path.write_text(text, encoding="utf-8")
    module = sys.modules[name] = ModuleType(name)
    module.__file__ = str(path)
    exec(compile(text, str(path), "exec"), vars(module))
    return module


def definition_of(cls: Any) -> WorkflowDefinition:
    definition: WorkflowDefinition = cls.__waymark__
    return definition


def test_compile_200_lines(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    with registry.isolated():
        definition = definition_of(imported(tmp_path, "long_bench", LONG).Long)
        benchmark.pedantic(
            compile_workflow, (definition, True), setup=forget_sources, rounds=20, warmup_rounds=1
        )


def test_import_100_workflows(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    text = HEAD + "".join(SMALL.format(number=number) for number in range(100))
    with registry.isolated():
        benchmark.pedantic(
            imported, (tmp_path, "small_bench", text), setup=forget_sources, rounds=5
        )


@pytest.mark.parametrize("size", ["10 lines", "200 lines"])
def test_load_a_stored_graph(benchmark: BenchmarkFixture, tmp_path: Path, size: str) -> None:
    """From its document to a program: read, checked, hashed and bound."""
    with registry.isolated():
        module = imported(tmp_path, "stored_bench", LONG + SMALL.format(number=0))
        definition = definition_of(module.Small0 if size == "10 lines" else module.Long)
        document = definition.link().document
        links = Programs(MemoryStore())._links

        def load() -> None:
            graph = from_document(document)
            validate(graph)
            load_program(graph, fingerprint(graph), links)

        benchmark(load)


def plain(count: int) -> int:
    """The body of `Nodes` as a plain function."""
    total = 0
    for number in range(count):
        total += number
        if total < 0:
            raise AssertionError
        total -= 1
    return total


def test_plain_function(benchmark: BenchmarkFixture) -> None:
    """10,000 turns in Python, to compare the next one with."""
    assert benchmark(plain, TURNS) > 0


def test_compute_nodes(benchmark: BenchmarkFixture, tmp_path: Path) -> None:
    """10,000 turns of four nodes: what this takes longer than the plain function, by 40,000, is
    what a node costs."""
    with registry.isolated():
        definition = definition_of(imported(tmp_path, "nodes_bench", NODES).Nodes)
        program = load_program(
            definition.link().graph or pytest.fail("no graph"),
            definition.hash,
            Programs(MemoryStore())._links,
        )

        def run() -> None:
            _, commands = Session(program, UUID(int=7)).begin(b'{"count":%d}' % TURNS, 1)
            assert isinstance(commands[-1], Finish)

        benchmark(run)
