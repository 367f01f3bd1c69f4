"""The control part alone: integers in, integers out, no value anywhere."""

from __future__ import annotations

import pytest

from waymark.engine import futures as f
from waymark.engine import primitives
from waymark.engine.cancellation import cancel
from waymark.engine.digest import digest
from waymark.engine.flat import FlatFunction, Op
from waymark.engine.gathers import begin_gather
from waymark.engine.machine import Machine, MachineError


def flat(
    *ops: Op, catches: tuple[int, ...] = (), handlers: tuple[tuple[int, int], ...] = ()
) -> FlatFunction:
    size = len(ops)
    return FlatFunction(
        tuple(int(op) for op in ops),
        (-1,) * size,
        tuple(range(1, size + 1)),
        (None,) * size,
        catches or (-1,) * size,
        handlers,
    )


AWAIT_AND_RETURN = flat(Op.AWAIT, Op.RETURN, Op.LEAVE)


def started(*functions: FlatFunction) -> Machine:
    machine = Machine(functions)
    machine.start(100)
    assert machine.poll() == f.EVALUATE
    return machine


def test_one_effect_from_start_to_end() -> None:
    """START_EFFECT, its outcome, the result, and END, each once."""
    machine = started(AWAIT_AND_RETURN)
    assert machine.wait_effect() == f.IDLE
    assert machine.commands == [(f.START_EFFECT, 0, ~0)]
    assert machine.settle(0, True, 200) == ~0
    assert (machine.poll(), machine.future, machine.pc) == (f.RECEIVE, ~0, 0)
    assert machine.received(~0) == f.RESOLVED
    assert (machine.proceed(), machine.pc) == (f.EVALUATE, 1)
    assert (machine.proceed(), machine.pc) == (f.EVALUATE, 2)
    assert (machine.leave(), machine.future) == (f.DONE, 0)
    assert machine.poll() == f.IDLE
    assert machine.commands[1:] == [(f.END, f.RESOLVED, -1)]
    assert machine.ended
    assert machine.now_ns == 200


def test_illegal_inputs_raise_and_change_nothing() -> None:
    """An unknown effect or timer, a timer before its time, a second start."""
    machine = started(AWAIT_AND_RETURN)
    machine.wait_sleep(50)
    while machine.poll():
        pass
    before = digest(machine)
    for attack in (
        lambda: machine.settle(0, True, 200),
        lambda: machine.fire(1, 200),
        lambda: machine.fire(0, 149),
        lambda: machine.start(200),
    ):
        with pytest.raises(MachineError):
            attack()
    assert digest(machine) == before
    assert machine.now_ns == 100
    assert machine.fire(0, 150) == ~0


def test_a_second_outcome_does_nothing() -> None:
    """Late inputs are legal: the effect is over, its number stays known."""
    machine = started(AWAIT_AND_RETURN)
    machine.wait_effect()
    machine.settle(0, True, 200)
    with pytest.raises(MachineError, match="another input is being run"):
        machine.settle(0, False, 300)
    assert machine.poll() == f.RECEIVE
    machine.wait_effect()
    before = digest(machine)
    assert machine.settle(0, False, 300) is None
    assert digest(machine) == before


def test_time_never_goes_back() -> None:
    """An outcome stamped earlier than the last input does not move time."""
    machine = started(AWAIT_AND_RETURN)
    machine.wait_effect()
    machine.poll()
    machine.settle(0, True, 50)
    assert machine.now_ns == 100


def test_gather_fails_first_and_lets_the_others_go_on() -> None:
    """The outer future ends with the first failure; the second effect stays."""
    machine = started(AWAIT_AND_RETURN)
    outer = begin_gather(machine, False, [(f.CHILD_EFFECT, -1), (f.CHILD_EFFECT, -1)])
    assert machine.wait_future(outer) == f.IDLE
    assert [command[0] for command in machine.commands] == [f.START_EFFECT] * 2
    child = machine.settle(1, False, 200)
    assert (machine.poll(), machine.future, machine.child) == (f.FIRST, outer, child)
    assert (machine.poll(), machine.future) == (f.FORGET, child)
    assert (machine.poll(), machine.future) == (f.RECEIVE, outer)
    assert machine.effects == {0: 1}


def test_calls_begin_together_but_for_one_that_was_cancelled() -> None:
    """Neighbours take their first turns in their order, whatever stands between them."""
    machine = started(AWAIT_AND_RETURN)
    call = (f.CHILD_EFFECT, -1)
    outer = begin_gather(machine, True, [call, call, call, (f.CHILD_SLEEP, 5), call])
    assert cancel(machine, 2)
    assert machine.wait_future(outer) == f.IDLE
    effects = [(f.START_EFFECT, 0, 1), (f.START_EFFECT, 1, 3)]
    assert machine.commands == [*effects, (f.START_TIMER, 0, 105), (f.START_EFFECT, 2, 5)]
    assert [machine.futures[child].state for child in (1, 2, 3)] == [
        f.PENDING,
        f.CANCELLED,
        f.PENDING,
    ]


def test_an_outcome_that_others_are_waited_for_with_leads_to_nothing() -> None:
    """Then the machine need not be polled; with the last one it must be."""
    machine = started(AWAIT_AND_RETURN)
    outer = begin_gather(machine, True, [(f.CHILD_EFFECT, -1), (f.CHILD_EFFECT, -1)])
    assert machine.wait_future(outer) == f.IDLE
    machine.commands.clear()
    assert machine.settle(0, True, 200) == 1
    assert machine.stands()
    before = digest(machine)
    assert machine.poll() == f.IDLE
    assert digest(machine) == before
    assert not machine.commands
    assert machine.settle(1, True, 300) == 2
    assert not machine.stands()
    assert (machine.poll(), machine.future) == (f.COLLECT, outer)


def test_main_end_cancels_what_still_runs() -> None:
    """A task left behind is cancelled, its effect ended, then the run ends."""
    machine = started(AWAIT_AND_RETURN)
    outer = begin_gather(machine, False, [(f.CHILD_EFFECT, -1), (f.CHILD_EFFECT, -1)])
    machine.wait_future(outer)
    machine.poll()
    machine.settle(1, False, 200)
    while machine.poll() != f.RECEIVE:
        pass
    machine.raised(False)
    while machine.poll():
        pass
    assert machine.commands[2:] == [(f.CANCEL_EFFECT, 0, -1), (f.END, f.ERROR, -1)]


def test_an_exception_moves_to_its_handler() -> None:
    """CATCH names the frame and the depth to cut the handling stack to."""
    function = flat(
        Op.AWAIT, Op.RETURN, Op.LEAVE, Op.MATCH, catches=(0, -1, -1, -1), handlers=((3, 0),)
    )
    machine = started(function)
    assert (machine.raised(False), machine.frame, machine.child) == (f.CATCH, 0, 0)
    assert (machine.poll(), machine.pc) == (f.EVALUATE, 3)


def test_a_task_cancelled_before_its_first_step_cannot_catch_it() -> None:
    """As in Python, the exception enters before the body begins."""
    helper = flat(Op.AWAIT, Op.RETURN, Op.LEAVE, catches=(0, 0, 0), handlers=((1, 0),))
    machine = started(flat(Op.AWAIT, Op.RETURN, Op.LEAVE), helper)
    outer = begin_gather(machine, False, [(f.CHILD_HELPER, 1)])
    child = outer - 1
    assert cancel(machine, child)
    assert machine.wait_future(outer) == f.THROW
    assert machine.raised(True) == f.DROP
    assert (machine.poll(), machine.futures[child].state) == (f.FAILED, f.CANCELLED)


def test_the_same_inputs_give_the_same_digest() -> None:
    """Two machines fed alike cannot be told apart; a different one can."""

    def fed(ok: bool) -> int:
        machine = started(AWAIT_AND_RETURN)
        machine.wait_effect()
        machine.poll()
        machine.settle(0, ok, 200)
        return digest(machine)

    assert fed(True) == fed(True)
    assert fed(True) != fed(False)


def test_a_spawned_call_ends_in_its_own_turns_and_is_forgotten() -> None:
    """Its object hears of the end once, and then nobody needs the number."""
    machine = started(AWAIT_AND_RETURN)
    task = primitives.spawn(machine, f.CHILD_EFFECT, -1)
    machine.wait_sleep(0)
    assert machine.poll() == f.EVALUATE
    machine.wait_future(task)
    machine.settle(0, True, 200)
    assert (machine.poll(), machine.future, machine.frame) == (f.ENDED, task, f.RESOLVED)
    assert primitives.release(machine, task) == 0
    assert task not in machine.futures
    assert (machine.poll(), machine.future) == (f.RECEIVE, task)


def test_a_request_that_is_taken_back_is_not_raised() -> None:
    """`uncancel` to zero clears what no step has raised yet, as since 3.13."""
    machine = started(AWAIT_AND_RETURN, AWAIT_AND_RETURN)
    task = primitives.spawn(machine, f.CHILD_HELPER, 1)
    assert cancel(machine, task, 7)
    assert cancel(machine, task, 8)
    assert (primitives.cancels(machine, task), primitives.uncancel(machine, task)) == (2, 1)
    assert primitives.uncancel(machine, task) == 0
    machine.wait_future(task)
    assert (machine.poll(), machine.frame) == (f.EVALUATE, 1)


def test_a_message_reaches_the_one_that_is_interrupted() -> None:
    """It goes with the request from a task through a gather to its children."""
    machine = started(AWAIT_AND_RETURN, AWAIT_AND_RETURN)
    task = primitives.spawn(machine, f.CHILD_HELPER, 1)
    machine.wait_sleep(50)
    assert (machine.poll(), machine.frame) == (f.EVALUATE, 1)
    outer = begin_gather(machine, False, [(f.CHILD_EFFECT, -1)])
    machine.wait_future(outer)
    machine.poll()
    cancel(machine, task, 7)
    ended = outer - 1
    assert (machine.poll(), machine.future, machine.child) == (f.ENDED, ended, 7)
    assert (machine.poll(), machine.future, machine.child) == (f.FIRST, outer, ended)


def test_callbacks_take_turns_and_timers_call_back() -> None:
    """`call_soon`, the end of a future and a deadline, each once and in order."""
    machine = started(AWAIT_AND_RETURN)
    future = primitives.new_future(machine)
    primitives.add_callback(machine, future, 5)
    primitives.add_callback(machine, future, 6)
    primitives.remove_callback(machine, future, 6)
    primitives.call_soon(machine, 4)
    primitives.resolve(machine, future, True)
    late = primitives.call_at(machine, 500, 9)
    dropped = primitives.call_at(machine, 400, 8)
    primitives.drop_timer(machine, dropped)
    assert machine.wait_sleep(900) == f.CALLBACK
    assert machine.child == 4
    assert (machine.poll(), machine.child) == (f.CALLBACK, 5)
    assert machine.poll() == f.IDLE
    assert machine.fire(dropped, 450) is None
    machine.fire(late, 500)
    assert (machine.poll(), machine.child, machine.poll()) == (f.CALLBACK, 9, f.IDLE)


def test_a_task_that_is_cancelled_as_it_returns_is_cancelled() -> None:
    """Its result is lost: CUT, with the message."""
    machine = started(AWAIT_AND_RETURN)
    cancel(machine, 0, 7)
    assert (machine.leave(), machine.future, machine.child) == (f.CUT, 0, 7)
    assert machine.main_state == f.CANCELLED
