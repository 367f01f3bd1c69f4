"""A run's memory as bytes: so that recovery need not feed the whole journal.

Theory
------

Between two inputs a session is at rest: nothing is evaluated, the ready queue is empty.
All that it is then is this:

-   **control**, integers only: the machine's tasks with their frames and places, futures
    with who waits, gathers, timers, alarms, pending effects, the counters that number what
    comes next (`heap.control`); or, of a run that needs no machine, its place (`straight`);
-   **frames**: their cells, the exceptions being handled, the iterators of the loops under
    way with their position (`heap.frames`, `heap.iterators`);
-   **values**, reachable from the cells: whatever the values codec stores, and what exists
    only inside of a run: functions with the variables they close over, `self`, awaitables,
    asyncio's objects (`heap.forms`, `heap.engine_objects`, `heap.calls`). Two names of one
    list stay two names of one list; dicts and sets keep their order;
-   **the evaluator's tables**: outcomes not yet received, futures by number, callbacks;
-   **the session's**: sequence number, engine time, commands of pending effects, the
    messages that were heard.

The program (graph, code, constants, registered actions) is no state: values refer to it by
name. The tape, the clock and the decimal context belong to an evaluation, and none is under
way. The identity of numbers and texts is not kept, as Python promises none; nor is the
traceback of an exception as an object, of which the text stands in for it as it does for one
that an action raised.

What follows from this
----------------------

1.  A snapshot at sequence number n, restored, and fed the entries after n, arrives at what
    feeding all entries arrives at. The oracle holds that after each entry of each program, by
    outcome and by the bytes of further snapshots.
2.  The journal is the truth, and is kept. A snapshot is only an accelerator: one that cannot
    be read, or after which the journal does not fit, is dropped, and the whole journal is fed.
3.  What has no form is refused when it is written (`NoSnapshot`), never approximated; the run
    goes on and a later state may do. LANGUAGE.md's last part lists what has one.
4.  A snapshot from the database is data. It names functions, nodes and frames by number in
    the run's own validated graph, registered actions by name, classes as all data does; what
    a loop goes through or an iterator calls is one of a list, or passes the guards. Edited,
    it can stop its own run, or lead it astray in its own graph, and nothing more.
5.  It is read by the same engine and Python as wrote it: code is named by its place in the
    compiled graph, and iterators by what this Python tells of them. `FORMAT` rises with each
    change of what is written here; a snapshot of any other is no use.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from waymark.graph.policies import CallPolicy
from waymark.values.codec import Failure, Refusal, Tree
from waymark.values.items import checked
from waymark.values.text import text_of

from .effects import Start, signed_crc
from .evaluator import Evaluator
from .heap.calls import policy_of, policy_tree
from .heap.codec import dump, load
from .heap.control import machine_of
from .heap.forms import WHOLE, HeapForms
from .heap.frames import evaluator_parts, fill_evaluator, straight_of, straight_parts
from .machine import Machine
from .outcomes import StartAction, StartAttempt, StartChild
from .parts import Parts

if TYPE_CHECKING:
    from .concurrency.loop import RunLoop
    from .program import Program

#: What is written, and by which Python. See 5 above.
FORMAT = 4
WRITER = f"{FORMAT} {sys.implementation.name} {sys.version_info[0]}.{sys.version_info[1]}"


class NoSnapshot(Exception):
    """This state cannot be written, or these bytes are no snapshot; the text says why."""


def take(program: Program, parts: Parts) -> bytes:
    """The bytes of a session's state between two inputs. Raises NoSnapshot."""
    straight, evaluator = parts.straight, parts.evaluator
    try:
        root = {
            "seq": parts.seq,
            "began_ns": parts.began_ns,
            "heard": dict(parts.heard),
            "cancels": [[*pair] for pair in parts.cancels.items()],
            "effects": [_effect_tree(start) for start in parts.effects.values()],
            "straight": None if straight is None else straight_parts(straight, program),
            "evaluator": None if evaluator is None else evaluator_parts(evaluator),
        }
        return dump(_forms(program).anything, root, WHOLE)
    except Refusal as refusal:
        raise NoSnapshot(f"{refusal.path('run')}: {refusal.problem}") from None


def restore(program: Program, data: bytes) -> Parts:
    """A session's state again. Raises NoSnapshot, whatever the bytes are."""
    evaluator = Evaluator(program, Machine(program.flat))
    try:
        return _restored(program, evaluator, data)
    except RecursionError:
        raise NoSnapshot("values nested too deeply") from None
    except Exception as error:
        place = error.path("run") if isinstance(error, Failure) else type(error).__name__
        raise NoSnapshot(f"the snapshot cannot be read: {place}: {error}") from error


def _restored(program: Program, evaluator: Evaluator, data: bytes) -> Parts:
    def loop() -> RunLoop:
        return evaluator.loop

    root = load(_forms(program).anything, data, program.names, loop)
    straight, kept = root["straight"], root["evaluator"]
    if (straight is None) == (kept is None):
        raise Failure("neither a run with a machine nor one without")
    if kept is not None:
        machine = machine_of(kept["machine"], program)
        evaluator.adopt(machine)
        fill_evaluator(evaluator, kept)
    started = [_effect(tree, program) for tree in root["effects"]]
    stands = None if straight is None else straight_of(straight, program)
    pending = set(evaluator.machine.effects) if stands is None else {stands.pending}
    if {start[0] for start in started} != pending:
        raise Failure("effects that nothing waits for")
    return Parts(
        checked(root["seq"], int),
        checked(root["began_ns"], int),
        {text_of(key): checked(seq, int) for key, seq in root["heard"].items()},
        {checked(effect, int): checked(count, int) for effect, count in root["cancels"]},
        {start[0]: start for start in started},
        stands,
        None if kept is None else evaluator,
    )


def _forms(program: Program) -> HeapForms:
    """The forms of a program's values, made when they are first needed."""
    found = program.names.forms
    if not isinstance(found, HeapForms):
        found = program.names.forms = HeapForms(program)
    return found


# Commands that are outstanding


def _effect_tree(start: Start) -> Tree:
    common = [start.effect, start.node, start[2], start.arguments.decode()]
    if isinstance(start, StartAttempt):
        return [*common, policy_tree(start.policy), start.attempt, start.not_before_ns]
    return [*common, *(["child"] if isinstance(start, StartChild) else [])]


def _effect(tree: Tree, program: Program) -> Start:
    effect, node, name, text, *rest = checked(tree, list)
    arguments = text_of(text).encode()
    asked = (checked(effect, int), checked(node, int), text_of(name), arguments)
    digest = signed_crc(arguments)
    child = rest == ["child"]
    if name not in (program.children if child else program.actions):
        raise Failure(f"the graph calls nothing that is called {name!r}")
    if child:
        return StartChild(*asked, digest)
    if not rest:
        return StartAction(*asked, digest)
    policy, attempt, not_before_ns = rest
    known: CallPolicy | None = None if policy is None else policy_of(policy)
    return StartAttempt(*asked, digest, known, checked(attempt, int), checked(not_before_ns, int))
