"""Which inputs a program of the corpus is run with: noted above its class.

    @inputs(("ann", 3), ("bob", 0))
    @workflow
    class Checkout(Workflow): ...

Each input is the tuple of `run`'s arguments; without any, it is run once with none.
After a crash an action that was under way begins anew, so who is first may change.
A program whose outcome shows who was first says `races=True`: its actions go on
undisturbed, as if another process ran them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T", bound=type)


@dataclass(frozen=True)
class Case:
    program: Any
    arguments: tuple[Any, ...]
    races: bool

    def __str__(self) -> str:
        return f"{self.program.__module__.rpartition('.')[2]}-{self.program.__name__}"


#: All that modules imported so far have noted, in their order.
CASES: list[Case] = []


def inputs(*arguments: tuple[Any, ...], races: bool = False) -> Callable[[T], T]:
    """Note what the decorated workflow is run with."""

    def note(program: T) -> T:
        CASES.extend(Case(program, given, races) for given in arguments or ((),))
        return program

    return note
