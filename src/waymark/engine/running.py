"""Which run is being evaluated: what a program's functions that act on a run ask.

A program is shared by all its runs on one thread, which take turns. The session
says whose turn it is, as it does for the tape.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from waymark.errors import ImpureCallError, WaymarkBug

if TYPE_CHECKING:
    from .concurrency.loop import RunLoop
    from .evaluator import Evaluator
    from .session import Session
    from .tape import Tape


class Running:
    """The run that is being evaluated."""

    __slots__ = ("session", "tape")

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.session: Session | None = None

    @property
    def loop(self) -> RunLoop:
        """Its loop. Code whose results are taped may not have it: it would not run
        again after a crash."""
        if self.tape.inside:
            raise ImpureCallError(
                "a function marked @waymark.pure, or a method of your own class, cannot begin or "
                "end tasks of the run; do it in the workflow's body"
            )
        return self.evaluator.loop

    @property
    def evaluator(self) -> Evaluator:
        """Its evaluator, which a run without tasks gets when it is asked for."""
        if self.session is None:
            raise WaymarkBug("no run is being evaluated")
        return self.session.evaluator
