"""What a snapshot may say, and what it may not: promise 10 for the memory of a run."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from tests.compiler.authored import define, definition_of
from tests.oracle.host import RUN_ID, program_of
from waymark.engine.program import Program
from waymark.engine.session import Session
from waymark.engine.snapshot import NoSnapshot

HEAD = """
import asyncio
from typing import Any
from waymark import Workflow, action, workflow

@action
async def slow(value: Any) -> Any:
    return value
"""

TEXT = """
@workflow
class W(Workflow):
    async def run(self) -> Any:
        nan = float("nan")
        kept = [nan, ("a", "b")]
        same, pair = kept, kept[1]
        unique = object()
        adders = [lambda x, n=n: x + n + len(kept) for n in range(3)]
        for key in {"x": 1, "y": 2}:
            got = await slow(key)
        for item in (n * 2 for n in iter([1, 2, 3])):
            got = await slow(item)
        task = asyncio.create_task(slow(0))
        for number, (a, b) in enumerate(zip("ab", {"p", "q"})):
            got = await slow(number)
        kept.append(got)
        return [nan in kept, same is kept, pair is kept[1], adders[2](1), unique is unique]
"""


@pytest.fixture(scope="module")
def program() -> Program:
    return program_of(definition_of(define(TEXT, HEAD, name="snapshot_forms")))


def states(program: Program) -> list[bytes]:
    """Snapshots after each input of the run."""
    session = Session(program, RUN_ID)
    advance = session.begin(b"{}", 10**9)
    found: list[bytes] = []
    while not session.finished:
        found.append(session.snapshot())
        start: Any = max(session._effects.values())
        value = json.loads(start.arguments)
        payload = json.dumps(value[0] if isinstance(value, list) else value["value"]).encode()
        advance = session.settle(start.effect, True, payload, 2 * 10**9)
    assert advance.commands[-1].payload == b"[true,true,true,6,true]"
    return found


def test_what_a_run_holds_comes_back(program: Program) -> None:
    """Written again it is the same text, in each of the states."""
    found = states(program)
    assert len(found) > 5
    for data in found:
        session = Session(program, RUN_ID)
        session.adopt(data)
        assert session.snapshot() == data


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"~iterator"', '"~nothing"'),
        ('"~cell","v":0', '"~cell","v":99'),
        ('"~function","v":["code","f', '"~function","v":["code","g'),
        ('"~name","v":"', '"~name","v":"f0:__import__'),
        ('"began_ns":1000000000', '"began_ns":"x"'),
        ("snapshot_forms:slow", "os:system"),
        ('"cells":[', '"cells":{"a":['),
    ],
)
def test_what_was_edited_is_refused(program: Program, old: str, new: str) -> None:
    texts = [data.decode() for data in states(program)]
    edited = [text.replace(old, new) for text in texts if old in text]
    for text in edited:
        with pytest.raises(NoSnapshot):
            Session(program, RUN_ID).adopt(text.encode())
    assert edited or "~name" in old


NAMES = ["builtins:eval", "os:system", "f0:__builtins__", "sync:x", "~loop", "~generator", "class"]


def test_whatever_is_edited_nothing_else_comes_of_it(program: Program) -> None:
    """A thousand edits by chance: each is refused, or gives a state of this run; none
    raises anything else."""
    random = Random(1)
    texts = [json.loads(data) for data in states(program)]
    for _ in range(1000):
        tree = json.loads(json.dumps(random.choice(texts)))
        _edit(tree, random)
        session = Session(program, RUN_ID)
        try:
            session.adopt(json.dumps(tree).encode())
        except NoSnapshot:
            continue
        assert session.program is program


def _edit(tree: Any, random: Random) -> None:
    """Change one leaf, somewhere."""
    while True:
        places = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
        if not places:
            return
        place = random.choice(places)
        inner = tree[place]
        if isinstance(inner, dict | list) and inner and random.random() < 0.9:
            tree = inner
            continue
        tree[place] = random.choice([-1, 0, 1, 7, 10**6, None, True, "", [], {}, *NAMES])
        return
