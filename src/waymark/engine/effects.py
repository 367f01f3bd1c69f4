"""What a run has asked of the world and not got yet: commands by effect.

An effect is asked for once. Until its outcome comes, what stands here is the command
that asks for it as things are now: after a failed attempt the next attempt, after a
recovery a child that may be there already.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias
from zlib import crc32

from waymark.errors import RecoveryMismatch
from waymark.values import load_exception
from waymark.values.instances import has_instances

from .awaitables import ActionCall, PolicedCall
from .outcomes import (
    CancelChild,
    Command,
    Finish,
    Recorded,
    SetTimer,
    StartAction,
    StartAttempt,
    StartChild,
    maker,
)

if TYPE_CHECKING:
    from .program import Program

#: Commands that ask for an effect.
Start: TypeAlias = StartAction | StartAttempt | StartChild

_start = maker(StartAction)


def asked_by(effect: int, call: ActionCall) -> Start:
    """The command for a call that begins."""
    action, arguments = call.action, call.arguments
    crc = crc32(arguments) - 0x80000000  # `signed_crc`, for each action call
    if type(call) is ActionCall:
        return _start((effect, call.node, action.name, arguments, crc, call.plain, action))
    asked = (effect, call.node, action.name, arguments, crc)
    if isinstance(call, PolicedCall):
        return StartAttempt(*asked, call.policy, 1, 0)
    return StartChild(*asked)


def next_attempt(known: StartAction | StartAttempt, attempt: int, again_ns: int) -> StartAttempt:
    """The command for the attempt after `attempt`."""
    policy = known.policy if isinstance(known, StartAttempt) else None
    return StartAttempt(*known[:5], policy, attempt + 1, again_ns)


def attempt_payload(attempt: int, again_ns: int, told: bytes) -> bytes:
    """The payload of an ATTEMPT entry: a JSON array. `told` are its further items, for
    the host and for people: the encoded exception first."""
    return b"[%d,%d,%b]" % (attempt, again_ns, told)


def recorded_attempt(known: Start, entry: Recorded) -> StartAttempt:
    """The attempt after the one that an entry tells of."""
    if isinstance(known, StartChild):
        raise RecoveryMismatch(f"entry {entry.seq} is an attempt of a child, which has none")
    try:
        attempt, again_ns, *_ = json.loads(entry.payload)
        return next_attempt(known, int(attempt), int(again_ns))
    except (ValueError, TypeError, OverflowError):
        raise RecoveryMismatch(f"entry {entry.seq} is damaged") from None


def pending(effects: Mapping[int, Start], entry: Recorded, program: Program) -> Start:
    """The effect that an entry is about. Raises RecoveryMismatch unless it is asked
    for, by the same node with the same arguments. Arguments that hold instances of classes
    may be written otherwise than they were: a deploy may have given the class another field."""
    known = effects.get(entry.effect)
    if known is None:
        raise RecoveryMismatch(f"effect {entry.effect} of entry {entry.seq} is not pending")
    same = known.digest == entry.digest or has_instances(_arguments(program, known))
    if known.node != entry.node or not same:
        raise RecoveryMismatch(
            f"effect {entry.effect} is a call of {known[2]} at node {known.node} now, "
            f"with arguments other than those recorded in entry {entry.seq} (node {entry.node})"
        )
    return known


def _arguments(program: Program, known: Start) -> object:
    called = program.children if type(known) is StartChild else program.actions
    return called[known[2]].arguments.unpack(known.arguments)


def decoded(program: Program, known: Start, ok: bool, payload: bytes) -> Any:
    """What an outcome says: the result of the action or child, or an exception."""
    if not ok:
        return load_exception(payload, program.links.types, run=True)
    if type(known) is StartChild:
        return program.children[known[2]].result_plan.loads(payload, run=True)
    return program.actions[known[2]].result_plan.loads(payload, run=True)


def outstanding(
    effects: Mapping[int, Start],
    cancels: Mapping[int, int],
    timers: Mapping[int, tuple[int, int]],
    made: Iterable[Command],
) -> list[Command]:
    """Commands for all that is pending, after a recovery that has `made` others; of
    these an end stays. `cancels` counts how often the cancellation of each child was
    asked for, `timers` have their deadlines."""
    commands: list[Command] = []
    for effect, start in effects.items():
        if isinstance(start, StartChild):
            commands.append(start._replace(again=True))
            times = range(1, cancels.get(effect, 0) + 1)
            commands.extend(CancelChild(effect, time) for time in times)
        else:
            commands.append(start)
    commands.extend(SetTimer(timer, deadline) for timer, (_, deadline) in timers.items())
    commands.extend(command for command in made if isinstance(command, Finish))
    return commands


def signed_crc(data: bytes) -> int:
    """crc32, moved into the signed 32 bits that Postgres has a type for."""
    return crc32(data) - 0x80000000
