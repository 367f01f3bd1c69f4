"""What a body is told of a value that it may not reach."""

from __future__ import annotations

import pytest

from tests.compiler.authored import define, definition_of
from tests.oracle.host import compiled_outcome

HEAD = """
from typing import Any
from dataclasses import dataclass
from pydantic import BaseModel
from waymark import Workflow, workflow

class Model(BaseModel):
    cents: int

@dataclass
class Price:
    cents: int

    @property
    def euros(self) -> int:
        return self.cents // 100

    @euros.setter
    def euros(self, value: int) -> None:
        self.cents = value * 100

"""


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Model.from_orm(Price(1))", "an old name of pydantic's; use `model_validate`"),
        ("Model.schema()", "use `model_json_schema`"),
        ("setattr(Price(1), 'euros', 3)", "`Price.euros` is a property, and setting one"),
    ],
)
def test_a_refusal_says_what_to_do(text: str, says: str) -> None:
    module = define(
        f"@workflow\nclass W(Workflow):\n    async def run(self) -> Any:\n        return {text}\n",
        HEAD,
        name="refusals",
    )
    outcome, _ = compiled_outcome(definition_of(module))
    assert outcome.kind == "raised"
    assert outcome.value[0] == "ImpureCallError"
    assert says in outcome.value[1].replace("\\", "")
