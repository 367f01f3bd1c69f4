"""All programs that read like real work, and what each of them does, as JSON.

python -m tests.oracle.corpus     runs each with its first input, under the hash seed
                                  of its process
"""

from __future__ import annotations

import importlib
import json
from pathlib import Path

from tests.oracle.cases import CASES, Case
from tests.oracle.host import compiled_outcome

for _path in sorted(Path(__file__).parent.glob("work_*.py")):
    importlib.import_module(f"tests.oracle.{_path.stem}")


def done_by(case: Case) -> list[str]:
    """The calls in their order, then the outcome with the bytes that record it."""
    outcome, world = compiled_outcome(case.program.__waymark__, *case.arguments)
    finish = world.main.finish
    assert finish is not None
    return [*map(repr, outcome.calls), outcome.kind, finish.payload.hex()]


if __name__ == "__main__":
    first = {case.program: case for case in reversed(CASES)}
    print(json.dumps({str(case): done_by(case) for case in first.values()}))
