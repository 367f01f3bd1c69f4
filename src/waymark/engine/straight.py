"""A run that is all one task in one frame, so far.

Most runs, and most of the time in the others, are: evaluate, await one action, go on.
Nothing of that needs tasks, futures or a ready queue, so such a run has neither a
machine nor an evaluator but only this: its frame, where it stands, and how many effects
it has begun. The session gives it a machine (`Session.evaluator`) the moment that it
does anything else: when it awaits what is no action, calls a helper, begins a task,
raises, or waits for what failed. The machine then takes over just where the run stands,
as if it had always been there (`primitives.take_over`); nobody can tell the difference
from the journal, the commands or the digests, and a test compares all three.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from waymark.errors import RecoveryMismatch, WaymarkBug

from . import futures as m
from .awaitables import ActionCall
from .digest import of_straight
from .flat import Op
from .frame import Frame
from .machine import MachineError
from .pieces import UncompilableCode
from .program import run_code

if TYPE_CHECKING:
    from .session import Session
    from .sites import LinkedSite

_AWAIT, _RETURN, _TEST = int(Op.AWAIT), int(Op.RETURN), int(Op.TEST)
_ITERATE, _NEXT = int(Op.ITERATE), int(Op.NEXT)


class Straight:
    """`pending` is the effect that is awaited, -1 while something is evaluated. It is
    `over` when the machine has taken over."""

    __slots__ = ("effects", "frame", "now_ns", "over", "pc", "pending")

    def __init__(self, frame: Frame, now_ns: int) -> None:
        self.frame = frame
        self.now_ns = now_ns
        self.pc = self.effects = 0
        self.pending = -1
        self.over = False


def advance(straight: Straight, session: Session, feeding: bool) -> int:
    """Evaluate until an action is awaited or the run ends (IDLE), or until it needs a
    machine: then its next request. `feeding`: the journal goes on with what was recorded."""
    frame = straight.frame
    function = frame.function
    sites = function.sites
    while True:
        pc = straight.pc
        site = sites[pc]
        op = site.op
        if op > _NEXT:
            return session.evaluator.machine.poll()
        if feeding:
            session.rewind(site.node, pc)
        request, truth, value = m.IDLE, True, None
        try:
            if op != _NEXT:
                value = run_code(site, frame)
                if op == _TEST:
                    truth = bool(value)
                elif op == _ITERATE:
                    frame.iterate(site, value)
            else:
                truth = frame.next_item(site)
        except (RecoveryMismatch, UncompilableCode, WaymarkBug, MachineError):
            raise
        except BaseException as error:  # noqa: BLE001 - what code raises is a value here
            request = session.evaluator.failed(frame, error)
        if site.tapes:
            tape = session.program.tape
            if tape.recorded or tape.replayed is not None:
                session.keep_tape(site.node, pc)
        if request:
            return request
        if op == _AWAIT or op == _RETURN:  # noqa: PLR1714,SIM109 - twice as fast
            return _wait_or_end(straight, session, site, value)
        if straight.over:
            machine = session.evaluator.machine
            return machine.proceed() if truth else machine.test(truth)
        straight.pc = (function.flat.nexts if truth else function.flat.arguments)[pc]


def _wait_or_end(straight: Straight, session: Session, site: LinkedSite, value: Any) -> int:
    """What an AWAIT or a RETURN does with the value of its code."""
    if straight.over:
        pass
    elif type(value) is ActionCall and site.op == _AWAIT and not value.awaited:
        value.awaited, value.node = True, site.node
        effect = straight.pending = straight.effects
        straight.effects = effect + 1
        session.ask_for(effect, value)
        return m.IDLE
    elif site.leaves and site.op == _RETURN:
        session.end(m.RESOLVED, value, of_straight(straight.effects))
        return m.IDLE
    return session.evaluator.evaluated(straight.frame, site, value)
