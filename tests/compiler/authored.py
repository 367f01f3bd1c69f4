"""Workflows from text, as if they had been imported from a file."""

from __future__ import annotations

import itertools
import linecache
import sys
from types import ModuleType
from typing import Any

from waymark.authoring import hooks
from waymark.authoring.workflow import WorkflowDefinition
from waymark.compiler import compile_workflow
from waymark.graph.model import Graph

_NUMBERS = itertools.count()

HEAD = """
import asyncio
from typing import Any
from tests.oracle.host import record
from waymark import Workflow, action, pure, workflow

@action
async def slow(value: Any) -> Any:
    record("slow", value)
    await asyncio.sleep(1)
    return value

@action
async def fail(message: Any) -> Any:
    record("fail", message)
    await asyncio.sleep(1)
    raise ValueError(message)

"""


def define(text: str, head: str = HEAD, name: str = "") -> ModuleType:
    """Run `text` as a module whose source can be found. With a `name`, what was
    defined under it before is replaced."""
    name = name or f"authored_{next(_NUMBERS)}"
    path = f"<{name}>"
    source = head + text
    linecache.cache[path] = (len(source), None, source.splitlines(keepends=True), path)
    module = ModuleType(name)
    sys.modules[name] = module
    previous, hooks.compiler = hooks.compiler, compile_workflow
    try:
        exec(compile(source, path, "exec"), vars(module))
    finally:
        hooks.compiler = previous
    return module


def body(text: str, parameters: str = "self") -> str:
    """A workflow `W` whose `run` is `text`."""
    lines = "\n".join("        " + line for line in text.strip("\n").split("\n"))
    return f"@workflow\nclass W(Workflow):\n    async def run({parameters}) -> Any:\n{lines}\n"


def definition_of(module: ModuleType, name: str = "W") -> WorkflowDefinition:
    cls: Any = getattr(module, name)
    definition: WorkflowDefinition = cls.__waymark__
    return definition


def graph_of(text: str, parameters: str = "self") -> Graph:
    """The graph of a workflow whose `run` is `text`."""
    return definition_of(define(body(text, parameters))).graph
