"""When the compiler itself is wrong, the author learns where, and that it is us."""

from __future__ import annotations

import pytest

from tests.compiler.authored import body, define
from waymark.compiler import workflow
from waymark.errors import GraphError, WorkflowCompileError


def codes(text: str) -> list[str]:
    with pytest.raises(WorkflowCompileError) as caught:
        define(body(text))
    return [found.code for found in caught.value.diagnostics]


def test_a_failure_inside_is_shown_at_the_workflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cause is kept for the report."""

    def broken(*_: object) -> None:
        raise KeyError("lost")

    monkeypatch.setattr(workflow, "compile_function", broken)
    with pytest.raises(WorkflowCompileError) as caught:
        define(body("return 1"))
    (found,) = caught.value.diagnostics
    assert (found.code, found.name) == ("WM901", "compiler-bug")
    assert "KeyError: 'lost'" in found.message
    assert found.text.strip() == "async def run(self) -> Any:"
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_graph_against_its_own_rules_is_our_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is stored that a loader would refuse."""

    def refuse(*_: object) -> None:
        raise GraphError("no")

    monkeypatch.setattr(workflow, "validate", refuse)
    assert codes("return 1") == ["WM901"]


def test_too_deep_is_said_plainly() -> None:
    """Python's own limit, met by no ordinary program."""
    assert codes("return " + "+".join("1" * 800)) == ["WM108"]
