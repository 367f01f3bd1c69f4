"""Promise 4 in the corners of the language, one small program for each.

The programs are texts in `corners/`: a heading, then the body of `run`, and after
a line `---` further methods. A heading that ends in `-> WM206` says that the
compiler refuses the program with this code, since it would differ.

Where Pythons differ, what 3.13 does counts on all of them: it stands after a line
`===`, and is compared with asyncio's own outcome from 3.13 on.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from textwrap import indent

import pytest

from tests.compiler.authored import define, definition_of
from tests.oracle.host import Outcome, check, compiled_outcome, plain_outcome, program_of
from waymark.errors import WorkflowCompileError

CORNERS = Path(__file__).parent / "corners"
HEAD = (CORNERS / "head.txt").read_text()


def programs() -> Iterator[tuple[str, str, str]]:
    """Name, code of the refusal or nothing, and text of each program."""
    for path in sorted(CORNERS.glob("*.txt")):
        parts = re.split(r"^### (.*)$", path.read_text(), flags=re.MULTILINE)
        for heading, text in zip(parts[1::2], parts[2::2], strict=True):
            name, _, code = heading.partition(" -> ")
            yield name, code, text.strip("\n")


def module_of(text: str) -> str:
    run, _, methods = text.partition("\n---\n")
    body = indent(run, " " * 8)
    return f"@workflow\nclass W(Workflow):\n    async def run(self) -> Any:\n{body}\n" + indent(
        methods, " " * 4
    )


ALL = list(programs())
HONOURED = [(name, text) for name, code, text in ALL if not code]
REFUSED = [(name, code, text) for name, code, text in ALL if code]


@pytest.mark.parametrize(("name", "text"), HONOURED, ids=[name for name, _ in HONOURED])
def test_corner_behaves_as_asyncio_does(name: str, text: str) -> None:
    """Equal value or exception and order of calls; equal again after each crash."""
    text, _, newest = text.partition("\n===\n")
    definition = definition_of(define(module_of(text), HEAD, name="corner"))
    expected = Outcome(*ast.literal_eval(newest)) if newest else None
    if expected is not None and sys.version_info >= (3, 13):
        assert plain_outcome(definition) == expected
    assert check(definition, keep_attempts=True, plain=expected) >= 1


@pytest.mark.parametrize(("name", "code", "text"), REFUSED, ids=[name for name, *_ in REFUSED])
def test_corner_is_refused(name: str, code: str, text: str) -> None:
    """What would differ does not compile."""
    with pytest.raises(WorkflowCompileError) as caught:
        program_of(definition_of(define(module_of(text), HEAD, name="corner")))
    assert code in [diagnostic.code for diagnostic in caught.value.diagnostics]


NAMES = """
t = asyncio.create_task(slow(1))
g = asyncio.gather(slow(2), self.h())
u = asyncio.create_task(slow(3))
return asyncio.current_task().get_name(), t.get_name(), await g, u.get_name()
---
async def h(self):
    return asyncio.current_task().get_name()
"""


def test_tasks_are_counted_in_each_run() -> None:
    """asyncio counts through the process; a run's names are the same after a crash."""
    definition = definition_of(define(module_of(NAMES.strip()), HEAD, name="corner"))
    names = ["tuple", ("str", "Task-1"), ("str", "Task-2")]
    names += [["list", ("int", 2), ("str", "Task-4")], ("str", "Task-5")]
    calls = [("slow", 1), ("slow", 2), ("slow", 3)]
    assert check(definition, keep_attempts=True, plain=Outcome("returned", names, calls)) > 1


def test_a_task_cannot_leave_the_run() -> None:
    """Neither as an argument nor as a result, and the message says which."""
    text = "t = asyncio.create_task(slow(1))\nreturn await slow([t])"
    definition = definition_of(define(module_of(text), HEAD, name="corner"))
    outcome, _ = compiled_outcome(definition)
    assert outcome.kind == "raised"
    assert "Task" in str(outcome.value), outcome
