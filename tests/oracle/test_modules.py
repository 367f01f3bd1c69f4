"""Promise 4 for whole modules: workflows with state, helpers, bases and closures.

The programs are texts in `modules/`: a heading, then what stands in the module
besides `head.txt`; its workflow is `W`. A heading that ends in `-> WM213` says
that the compiler refuses the program with this code.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.compiler.authored import define, definition_of
from tests.oracle.host import check, program_of
from tests.oracle.test_corners import HEAD
from waymark.errors import WorkflowCompileError

MODULES = Path(__file__).parent / "modules"


def programs() -> Iterator[tuple[str, str, str]]:
    """Name, code of the refusal or nothing, and text of each program."""
    for path in sorted(MODULES.glob("*.txt")):
        parts = re.split(r"^### (.*)$", path.read_text(), flags=re.MULTILINE)
        for heading, text in zip(parts[1::2], parts[2::2], strict=True):
            name, _, code = heading.partition(" -> ")
            yield f"{path.stem}: {name}", code, text.strip("\n")


ALL = list(programs())
HONOURED = [(name, text) for name, code, text in ALL if not code]
REFUSED = [(name, code, text) for name, code, text in ALL if code]


@pytest.mark.parametrize(("name", "text"), HONOURED, ids=[name for name, _ in HONOURED])
def test_module_behaves_as_asyncio_does(name: str, text: str) -> None:
    """Equal value or exception and order of calls; equal again after each crash."""
    definition = definition_of(define(text, HEAD, name="authored_module"))
    assert check(definition, keep_attempts=True) >= 1


@pytest.mark.parametrize(("name", "code", "text"), REFUSED, ids=[name for name, *_ in REFUSED])
def test_module_is_refused(name: str, code: str, text: str) -> None:
    """What would differ does not compile."""
    with pytest.raises(WorkflowCompileError) as caught:
        program_of(definition_of(define(text, HEAD, name="authored_module")))
    assert code in [diagnostic.code for diagnostic in caught.value.diagnostics]


def test_the_corpus_is_wide() -> None:
    assert len(HONOURED) >= 40
