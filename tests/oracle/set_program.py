"""A program full of sets, run under the hash seed of its process.

python -m tests.oracle.set_program            prints what it did, as JSON
python -m tests.oracle.set_program recover    reads such JSON and recovers its
                                              journal, one entry short of the end
"""

from __future__ import annotations

import asyncio
import collections
import functools
import json
import sys
from typing import Any

from tests.oracle.host import RUN_ID, compiled_outcome, program_of
from tests.oracle.programs import slow
from waymark.authoring import Workflow, workflow
from waymark.engine.outcomes import Entry, Finish
from waymark.engine.session import Session

STOP_WORDS = {"the", "a", "of", "and"}


@workflow
class Index(Workflow):
    """Every step iterates a set, and sends what it finds to an action."""

    async def run(self, texts: list[str]) -> Any:
        words = {word for text in texts for word in text.split()} - STOP_WORDS
        first = await asyncio.gather(*[slow(word) for word in words])
        places = collections.defaultdict(set)
        for number, text in enumerate(texts):
            for word in set(text.split()) & words:
                places[word].add(f"text {number}")
        for found in places.values():
            await slow(list(found))
        shared = functools.reduce(set.intersection, [set(text.split()) for text in texts])
        views = places.keys() & words | {"extra", *shared}
        frozen = frozenset(views) ^ {"extra", "more"}
        await slow([*views, *frozen])
        order = []
        while views:
            order.append(views.pop())
            await slow(order[-1])
        return [first, order, [*frozen], {w: sorted(p) for w, p in places.items()}, words]


TEXTS = ["the cat and the dog", "a dog of the house", "dog house mouse horse"]


def run() -> dict[str, Any]:
    outcome, world = compiled_outcome(Index.__waymark__, TEXTS)
    host = world.main
    return {
        "calls": [repr(call) for call in outcome.calls],
        "value": host.finish.payload.hex() if host.finish else "",
        "input": host.input.hex(),
        "entries": [[*entry[:-1], entry.payload.hex()] for entry in host.entries],
    }


def recover(recorded: dict[str, Any]) -> dict[str, Any]:
    """Feed all entries but the last, then settle that one anew."""
    *fed, last = [Entry(*entry[:-1], bytes.fromhex(entry[-1])) for entry in recorded["entries"]]
    session = Session(program_of(Index.__waymark__), RUN_ID)
    session.recover(bytes.fromhex(recorded["input"]), 1_000_000_000, fed, last.at_ns)
    advance = session.settle(last.effect, True, last.payload, last.at_ns)
    (finish,) = [command for command in advance.commands if isinstance(command, Finish)]
    return {"value": finish.payload.hex()}


if __name__ == "__main__":
    done = recover(json.load(sys.stdin)) if "recover" in sys.argv else run()
    print(json.dumps(done))
