"""One run: the machine and the evaluator joined to the journal.

The host delivers inputs one at a time; each is run to quiescence and answered
by an `Advance`: the journal entries it made, then commands. What an entry led to
may be done only when the entry is committed; the host keeps that promise.

Order of entries within one advance: the input itself, then the tapes of nodes
that were evaluated, in that order, then the effects that the engine ended
itself. Sequence numbers count from 1 without gaps.

Recovery feeds the same entries in the same order with their recorded times. The
engine is a pure function of graph, input and journal, so it stands again where
it stood; everything it makes on the way is compared with what was recorded (the
node and the digest of each call's arguments, the tapes, the cancelled effects,
the digest of the frames at each claim). The first difference raises
`RecoveryMismatch`, and the run goes no further.

A run that began when it was submitted has `began_ns` in its row. One that was
left for others to claim begins with the claim, its first entry.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from waymark.errors import RecoveryMismatch, WaymarkBug

from . import arithmetic, messages
from . import effects as e
from . import futures as m
from .awaitables import ActionCall
from .cancellation import cancel
from .digest import digest, of_straight
from .ending import finish
from .evaluator import Evaluator
from .frame import Frame
from .machine import Machine, MachineError
from .outcomes import (
    UNREAD,
    Advance,
    CancelChild,
    CancelEffect,
    Command,
    DropTimer,
    Entry,
    Recorded,
    SetTimer,
    StartAttempt,
    StartChild,
    last_first,
    maker,
)
from .parts import State
from .snapshot import NoSnapshot, restore, take
from .straight import Straight, advance
from .tape import join_items, split_items

# Kinds of entries, as `store.records.EntryKind` names them.
RESULT, ERROR, CANCELLED, TAPE, TIMER, CLAIM, ATTEMPT = range(1, 8)

_entry = maker(Entry)
_advance = maker(Advance)

_NOTHING = Advance((), ())


class Session(State):
    """One run in memory. Not thread-safe; deliver one input at a time."""

    __slots__ = ()

    # Inputs

    def begin(self, input: bytes, now_ns: int, plain: Mapping[str, Any] | None = None) -> Advance:
        """Start the run; `plain` are the arguments by name where they are known and
        plain scalars. Raises `ValueDecodeError` or TypeError when the input does not
        fit `run`; the session is then of no use."""
        self._start(input, now_ns, plain)
        return self._flush()

    def settle(
        self, effect: int, ok: bool, payload: bytes, now_ns: int, value: Any = UNREAD
    ) -> Advance:
        """An action's outcome; `value` is what it returned, if known. One for an effect
        that is over makes nothing. Raises `ValueDecodeError` when the payload does not
        fit, and is then unchanged."""
        known = self._effects.get(effect)
        if known is None:
            if self._straight is None or effect >= self._straight.effects:
                self.evaluator.machine.settle(effect, ok, now_ns)
            return _NOTHING
        # Decoded before anything changes: a payload that cannot be read changes nothing.
        if value is UNREAD or type(value) not in self.program.actions[known[2]].result_plan.direct:
            value = e.decoded(self.program, known, ok, payload)
        del self._effects[effect]
        self.seq = seq = self.seq + 1
        kind = RESULT if ok else ERROR
        # Node and digest by position: this runs for every outcome.
        self._entries = [_entry((seq, kind, effect, known[1], known[4], now_ns, payload))]
        self._deliver(effect, ok, value, now_ns)
        return self._flush()

    def attempt_failed(
        self, effect: int, attempt: int, again_ns: int, told: bytes, now_ns: int
    ) -> Advance:
        """An attempt failed with what `told` begins with (encoded), and the call is tried
        again at `again_ns`. Nothing that the run itself could see."""
        known = self._effects.get(effect)
        if known is None or isinstance(known, StartChild):
            return _NOTHING
        payload = e.attempt_payload(attempt, again_ns, told)
        self._append(ATTEMPT, effect, (known.node, known.digest), now_ns, payload)
        start = self._effects[effect] = e.next_attempt(known, attempt, again_ns)
        self._commands = [start]
        return self._flush()

    def hear(self, key: str, kind: int, name: str, payload: bytes, now_ns: int) -> Advance:
        """Somebody asks the run to cancel itself, as `task.cancel()` does, or to take the
        event `name`. `key` is the sender's: what was heard once makes nothing."""
        if key in self.heard or self.finished:
            return _NOTHING
        event, payload = messages.received(kind, key, name, payload, self.program.tape.plan)
        self._append(kind, -1, (-1, 0), now_ns, payload)
        self._hear(key, now_ns, event)
        return self._flush()

    @property
    def begun(self) -> bool:
        """Whether inputs may come."""
        return self._began_ns > 0

    def next_attempt(self, effect: int) -> StartAttempt | None:
        """The attempt of an effect that is due or under way, None when it is over."""
        known = self._effects.get(effect)
        return known if isinstance(known, StartAttempt) else None

    def fire(self, timer: int, now_ns: int) -> Advance:
        """A timer's time has come. One that was dropped makes nothing."""
        if self.evaluator.machine.fire(timer, now_ns) is None:
            return _NOTHING
        self._append(TIMER, timer, (-1, 0), now_ns)
        self._run()
        return self._flush()

    def recover(
        self,
        input: bytes,
        began_ns: int,
        entries: Sequence[Any],
        now_ns: int,
        snapshot: bytes | None = None,
    ) -> Advance:
        """Feed a journal and take the run over at `now_ns`. `entries` have the
        fields of `Recorded`; where there is a `snapshot`, only those after it. The
        advance holds the new claim and commands for all that is outstanding."""
        # Nothing is recorded of a run whose first owner died before its first flush:
        # the recorded calls of its first step are then made now, as at a beginning.
        self._expected = last_first(entries) or None
        if snapshot is not None:
            self.adopt(snapshot)
        elif began_ns:
            self._start(input, began_ns)
        while self._expected:
            self._feed(input, self._expected.pop())
        self._expected = None
        if self._began_ns:
            now_ns = self._advance_to(now_ns)
        self._append(CLAIM, -1, (-1, self._checksum() if self._began_ns else 0), now_ns)
        if not self._began_ns:
            self._start(input, now_ns)
        self._commands = self.outstanding()
        return self._flush()

    # Snapshots

    def snapshot(self) -> bytes:
        """This state, as `recover` takes it. Raises `NoSnapshot`, as many states do."""
        if not self._began_ns or self.finished or self._entries is not None:
            raise NoSnapshot("the run is not between two inputs")
        return take(self.program, self.parts)

    def adopt(self, snapshot: bytes) -> None:
        """Be, as a new session, what a snapshot says. Raises `NoSnapshot`."""
        parts = restore(self.program, snapshot)
        self.seq, self._began_ns, self.heard, self._cancels, self._effects = parts[:5]
        self._straight, self._evaluator = parts.straight, parts.evaluator

    # Feeding

    def _feed(self, input: bytes, entry: Recorded) -> None:
        if entry.seq != self.seq + 1:
            raise RecoveryMismatch(f"entry {self.seq + 1} is missing (found {entry.seq})")
        match entry.kind:
            case 1 | 2:
                self._feed_outcome(entry)
            case 5:
                self._feed_timer(entry)
            case 6:
                self._feed_claim(input, entry)
            case 7:
                self._feed_attempt(entry)
            case 8 | 9:
                self._feed_message(entry)
            case kind:
                raise RecoveryMismatch(f"entry {entry.seq} of kind {kind} came unexpectedly")

    def _feed_attempt(self, entry: Recorded) -> None:
        known = e.pending(self._effects, entry, self.program)
        self._effects[entry.effect] = e.recorded_attempt(known, entry)
        self.seq = entry.seq

    def _feed_message(self, entry: Recorded) -> None:
        self.seq = entry.seq
        key, event = messages.recorded(entry, self.program.tape.plan)
        self._hear(key, entry.at_ns, event)

    def _feed_outcome(self, entry: Recorded) -> None:
        known = e.pending(self._effects, entry, self.program)
        del self._effects[entry.effect]
        self.seq = entry.seq
        ok = entry.kind == RESULT
        value = e.decoded(self.program, known, ok, entry.payload)
        self._deliver(entry.effect, ok, value, entry.at_ns)

    def _feed_timer(self, entry: Recorded) -> None:
        try:
            known = self.evaluator.machine.fire(entry.effect, entry.at_ns) is not None
        except MachineError:  # never set, or not due by then
            known = False
        if not known:
            raise RecoveryMismatch(f"timer {entry.effect} of entry {entry.seq} was not pending")
        self.seq = entry.seq
        self._run()

    def _feed_claim(self, input: bytes, entry: Recorded) -> None:
        self.seq = entry.seq
        if not self._began_ns:
            self._start(input, entry.at_ns)
            return
        self._advance_to(entry.at_ns)
        if entry.digest != self._checksum():
            differ = f"the frames differ from those at the claim of entry {entry.seq}"
            raise RecoveryMismatch(differ)

    # Running

    def _hear(self, key: str, now_ns: int, event: messages.Event | None) -> None:
        """The message whose entry is the last one: an event reaches its mailbox, a
        cancellation the main task."""
        self.heard = self.heard or {}
        self.heard[key] = self.seq
        self._advance_to(now_ns)
        if event is None:
            cancel(self.evaluator.machine, 0)
        else:
            self.evaluator.loop.post(event)
        self._run()

    def _start(self, input: bytes, now_ns: int, plain: Mapping[str, Any] | None = None) -> None:
        program = self.program
        args: tuple[Any, ...] = ()
        kwargs = plain
        if kwargs is None:
            args, kwargs = program.definition.arguments.unpack(input, run=True)
        self._began_ns = now_ns
        function, make_self = program.functions[0], program.make_self
        bind = function.bind
        values = bind(*args, **kwargs) if make_self is None else bind(make_self(), *args, **kwargs)
        self._straight = Straight(Frame(function, values), now_ns)
        self._run()

    def _deliver(self, effect: int, ok: bool, value: Any, now_ns: int) -> None:
        straight = self._straight
        if straight is not None and ok:
            frame, pc = straight.frame, straight.pc
            function = frame.function
            target = function.sites[pc].target
            if target >= 0:
                frame.cells[target].cell_contents = value
            straight.pc, straight.pending = function.flat.nexts[pc], -1
            straight.now_ns = max(straight.now_ns, now_ns)
        else:
            evaluator = self.evaluator
            cancelled = not ok and isinstance(value, self.program.cancelled_error)
            key = evaluator.machine.settle(effect, ok, now_ns, cancelled)
            if key is None:
                raise WaymarkBug(f"effect {effect} is pending here and over in the machine")
            evaluator.outcomes[key] = value
            if evaluator.machine.stands():
                return
        self._run()

    @arithmetic.fixed
    def _run(self) -> None:
        """Go on until the run waits."""
        program, straight = self.program, self._straight
        tape = program.tape
        program.running.session = self
        if straight is None:
            tape.clock_ns = self._now_ns() - self._began_ns
            request = m.IDLE
        else:
            tape.clock_ns = straight.now_ns - self._began_ns
            request = advance(straight, self, bool(self._expected))
            if not straight.over:
                return
        evaluator, expected = self.evaluator, self._expected
        machine, frames = evaluator.machine, evaluator.frames
        request = request or machine.poll()
        while request:
            if request == m.EVALUATE:
                frame, pc = frames[machine.frame], machine.pc
                site = frame.function.sites[pc]
                if expected:
                    self.rewind(site.node, pc)
                request = evaluator.evaluate(frame, site)
                if site.tapes and (tape.recorded or tape.replayed is not None):
                    self.keep_tape(site.node, pc)
            elif request == m.RECEIVE:
                request = evaluator.receive(frames[machine.frame])
            else:
                request = evaluator.serve(request)
        if machine.commands:
            self._translate()

    # Time and digest, with a machine or without

    def _now_ns(self) -> int:
        straight = self._straight
        return self.evaluator.machine.now_ns if straight is None else straight.now_ns

    def _advance_to(self, now_ns: int) -> int:
        holder = self._straight or self.evaluator.machine
        holder.now_ns = max(holder.now_ns, now_ns)
        return holder.now_ns

    def _checksum(self) -> int:
        straight = self._straight
        if straight is not None and self.finished:
            return of_straight(straight.effects)
        return digest(self.evaluator.machine)

    # Without a machine

    @property
    def evaluator(self) -> Evaluator:
        """The run's evaluator, with its machine. Asked for it, a run that had none
        gets it, and goes on there."""
        if self._evaluator is None:
            self._evaluator = Evaluator(self.program, Machine(self.program.flat))
            straight, self._straight = self._straight, None
            if straight is not None:
                straight.over = True
                self._evaluator.take_over(straight)
        return self._evaluator

    # Tapes

    def rewind(self, node: int, pc: int) -> None:
        """Lay the tape of this node ready, if the journal goes on with one. It stays expected
        until its first item is taken: a loop may come by here again and record nothing."""
        if self._expected:
            entry = self._expected[-1]
            if entry.kind == TAPE and entry.node == node and entry.effect == pc:
                self.program.tape.replayed = split_items(entry.payload)[::-1]

    def keep_tape(self, node: int, pc: int) -> None:
        """Journal what the evaluation recorded, or check what it popped."""
        tape = self.program.tape
        recorded, replayed = tape.recorded, tape.replayed
        tape.recorded, tape.replayed = [], None
        if recorded:
            if self._expected is not None:
                raise RecoveryMismatch(f"node {node} made recorded calls that the journal lacks")
            self._append(TAPE, pc, (node, 0), self._now_ns(), join_items(recorded))
        elif replayed is not None and self._expected:
            held = len(split_items(self._expected[-1].payload))
            if replayed and len(replayed) < held:
                raise RecoveryMismatch(f"node {node} made fewer recorded calls than its tape holds")
            if not replayed:
                self.seq = self._expected.pop().seq

    # Commands

    def _translate(self) -> None:
        """Turn the machine's commands into the host's."""
        evaluator = self.evaluator
        machine, calls = evaluator.machine, evaluator.calls
        commands, machine.commands = machine.commands, []
        made = self._commands = self._commands or []
        for command, number, detail in commands:
            if command == m.START_EFFECT:
                self.ask_for(number, calls.pop(detail if detail >= 0 else ~number))
            elif command == m.START_TIMER:
                made.append(SetTimer(number, detail))
            elif command == m.CANCEL_EFFECT:
                self._cancel_effect(number)
                made.append(CancelEffect(number))
            elif command == m.CANCEL_CHILD:
                self._cancel_child(number)
            elif command == m.DROP_TIMER:
                made.append(DropTimer(number))
            else:
                self.end(number, evaluator.outcomes.pop(0), digest(machine))

    def ask_for(self, effect: int, call: ActionCall) -> None:
        """Ask the host for an action or a child."""
        start = self._effects[effect] = e.asked_by(effect, call)
        if type(start) is StartChild:
            machine = self.evaluator.machine
            if machine.children is None:
                machine.children = set()
            machine.children.add(effect)
        if self._commands is None:
            self._commands = []
        self._commands.append(start)

    def _cancel_effect(self, effect: int) -> None:
        """The engine ended an effect itself: that is its one recorded outcome."""
        known = self._effects.pop(effect)
        if type(known) is StartChild and self._commands and known in self._commands:
            # Begun and cancelled by one input: it never was.
            self._commands.remove(known)
        if self._expected is None:
            self._append(CANCELLED, effect, (known.node, known.digest), self._now_ns())
            return
        entry = self._expected.pop() if self._expected else None
        if entry is None or (entry.kind, entry.effect) != (CANCELLED, effect):
            raise RecoveryMismatch(f"effect {effect} was not cancelled when this was recorded")
        self.seq = entry.seq

    def _cancel_child(self, effect: int) -> None:
        time = self._cancels.get(effect, 0) + 1
        self._cancels = {**self._cancels, effect: time}
        assert self._commands is not None
        self._commands.append(CancelChild(effect, time))

    def end(self, state: int, outcome: Any, checksum: int) -> None:
        """The run is over."""
        self.finished = True
        self._commands = self._commands or []
        self._commands.append(finish(self.program, state, outcome, checksum))

    def outstanding(self) -> list[Command]:
        """Commands for everything that is still awaited."""
        timers = {} if self._evaluator is None else self._evaluator.machine.timers
        return e.outstanding(self._effects, self._cancels, timers, self._commands or ())

    # Entries

    def _append(
        self, kind: int, effect: int, known: tuple[int, int], at_ns: int, payload: bytes = b""
    ) -> None:
        """`known` is the node and the digest, -1 and 0 where there are none."""
        self.seq += 1
        self._entries = self._entries or []
        self._entries.append(Entry(self.seq, kind, effect, *known, at_ns, payload))

    def _flush(self) -> Advance:
        entries, commands = self._entries, self._commands
        self._entries = self._commands = None
        return _advance((entries or (), commands or ()))
