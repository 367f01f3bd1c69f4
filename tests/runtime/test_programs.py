"""Promises 6 and 10: what a process makes of graphs that it reads."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.runtime.families import Tree
from tests.runtime.workflows import Double, HoldTwo
from waymark.authoring.registry import registry
from waymark.authoring.workflow import definition_of
from waymark.graph.codec import to_document
from waymark.graph.fingerprint import fingerprint
from waymark.graph.model import Await
from waymark.runtime.fitting import misfit
from waymark.runtime.programs import Programs
from waymark.store.memory import MemoryStore

pytestmark = pytest.mark.anyio

HASH = bytes(16)


async def reason_for(document: str, hash: bytes = HASH) -> str | None:
    """Why a process that reads this document will not serve it."""
    store = MemoryStore()
    await store.open()
    await store.put_graph(hash, "x", document)
    return await Programs(store).load(hash)


async def test_an_untouched_graph_is_served() -> None:
    """Through its document alone, under its own hash."""
    definition = definition_of(Double)
    definition.link()
    assert await reason_for(definition.document, definition.hash) is None


async def test_an_edited_graph_is_refused() -> None:
    """Its hash no longer fits, whatever the edit was."""
    definition = definition_of(Double)
    definition.link()
    document = definition.document.replace("double(number)", "double(number + 1)")
    assert document != definition.document
    reason = await reason_for(document, definition.hash)
    assert reason is not None
    assert "the row was edited" in reason


async def test_code_outside_the_whitelist_is_refused() -> None:
    """Also when whoever edited the row made the hash fit."""
    definition = definition_of(Double)
    definition.link()
    document = definition.document.replace("double(number)", "double(open('/etc/passwd'))")
    reason = await reason_for(document)
    assert reason is not None
    assert "open" in reason
    assert "the row was edited" not in reason


async def test_a_graph_of_a_newer_python_is_left_to_others() -> None:
    """The reason names the version; the run stays claimable."""
    newer = replace(definition_of(Double).graph, lowest=(3, 99))
    reason = await reason_for(to_document(newer), fingerprint(newer))
    assert reason is not None
    assert "needs Python 3.99 or newer" in reason


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        ("double(number)", None),
        ("double(number=number)", None),
        ("double(*[number])", None),
        ("double(**{'count': number})", None),
        ("(lambda double: double(1, 2))(double)(number)", None),
        ("double()", "missing a required argument: 'number'"),
        ("double(number, 2)", "too many positional arguments"),
        ("double(number, count=2)", "got an unexpected keyword argument 'count'"),
        ("[double(n, 2) for n in [number]][0]", "too many positional arguments"),
    ],
)
async def test_a_call_that_no_longer_binds_is_not_served(call: str, problem: str | None) -> None:
    """The graph was compiled when the action had another signature. What can only be known
    when it is called is left to that moment."""
    graph = definition_of(Double).graph
    run = graph.functions[0]
    body = tuple(
        replace(node, call=replace(node.call, text=call)) if isinstance(node, Await) else node
        for node in run.body
    )
    reason = misfit(
        replace(graph, functions=(replace(run, body=body),)), registry.action, registry.workflow
    )
    if problem is None:
        assert reason is None
    else:
        assert reason is not None
        assert f"which no longer fits its signature: {problem}; give new parameters" in reason
        assert "its graph calls tests.runtime.workflows:double as line" in reason


async def test_a_call_of_a_child_that_no_longer_binds_is_not_served() -> None:
    """Likewise what is passed to `run` of another workflow."""
    graph = definition_of(Tree).graph
    assert misfit(graph, registry.action, registry.workflow) is None
    shrunk = definition_of(HoldTwo)
    reason = misfit(graph, registry.action, lambda _: shrunk)
    assert reason is not None
    assert "calls tests.runtime.families:Tree as line" in reason
    assert "no longer fits its signature: too many positional arguments" in reason


async def test_a_missing_graph_says_so() -> None:
    """A run may outlive its graph only by somebody's hand."""
    store = MemoryStore()
    await store.open()
    reason = await Programs(store).load(HASH)
    assert reason == f"its graph {HASH.hex()} is not in the database"


async def test_a_lost_graph_is_stored_again_by_who_has_its_workflow() -> None:
    """A failover lost it, and a run of it that was under way arrived afterwards."""
    store = MemoryStore()
    await store.open()
    definition = definition_of(Double)
    programs = Programs(store)
    assert await programs.load(definition.hash) is None
    assert await store.get_graph(definition.hash) == definition.document
    assert definition.hash in programs.served
