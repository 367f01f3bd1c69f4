"""Promises 6 and 10: what a process makes of graphs that it reads."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.runtime.workflows import Double
from waymark.authoring.workflow import definition_of
from waymark.graph.codec import to_document
from waymark.graph.fingerprint import fingerprint
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


async def test_a_missing_graph_says_so() -> None:
    """A run may outlive its graph only by somebody's hand."""
    store = MemoryStore()
    await store.open()
    reason = await Programs(store).load(HASH)
    assert reason == f"its graph {HASH.hex()} is not in the database"
