"""Binding a graph to a process: what is missing is named, with what to do."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.oracle.host import compiled_outcome, modules, program_of
from tests.oracle.programs import Contexts, LoopWithTry, Saga
from waymark.authoring.registry import registry
from waymark.authoring.workflow import definition_of
from waymark.engine.links import Links
from waymark.engine.program import load_program
from waymark.errors import UnresolvedActionError
from waymark.values import load_exception, recorded_traceback


def links() -> Links:
    return Links(registry.action, registry.workflow, registry.types, modules(), registry.pure)


def test_every_missing_action_is_named_at_once() -> None:
    """The message says what to import, or how an old name lives on."""
    definition = definition_of(LoopWithTry)
    definition.link()
    without = replace(links(), actions=lambda name: None)
    with pytest.raises(UnresolvedActionError) as caught:
        load_program(definition.graph, definition.hash, without)
    message = str(caught.value)
    assert "`tests.oracle.programs:release`, `tests.oracle.programs:reserve`" in message
    assert "import the module that defines it before waymark.start()" in message
    assert "aliases=" in message


def test_a_missing_workflow_is_named() -> None:
    """Its input could not be read without it."""
    definition = definition_of(LoopWithTry)
    definition.link()
    without = replace(links(), workflows=lambda name: None)
    with pytest.raises(UnresolvedActionError, match=r"programs:LoopWithTry is registered by no"):
        load_program(definition.graph, definition.hash, without)


def test_a_program_reaches_nothing_but_what_is_allowed() -> None:
    """The globals of every node: builtins of the whitelist, linked names, guards."""
    for function in program_of(definition_of(Saga)).functions:
        builtins = function.namespace["__builtins__"]
        assert builtins.keys() == {"__import__"}  # for C code such as strftime, see guards
        with pytest.raises(ImportError, match="cannot import os"):
            builtins["__import__"]("os")
        assert "open" not in function.namespace
        assert "getattr" not in function.namespace


def test_a_failure_shows_the_authors_own_line() -> None:
    """Quoted from the stored source, at the line it has in the author's file."""
    _, world = compiled_outcome(definition_of(Contexts), "none")
    host = world.main
    assert host.finish is not None
    text = recorded_traceback(load_exception(host.finish.payload, registry.types))
    assert text is not None
    assert 'raise RuntimeError("alone") from None' in text
    assert "in run" in text
