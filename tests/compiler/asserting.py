"""Imported by tests after pytest was told to rewrite its asserts."""

from __future__ import annotations

from waymark import Workflow, workflow


@workflow
class Asserting(Workflow):
    async def run(self, number: int) -> int:
        assert number > 0, f"{number} is not positive"
        return number
