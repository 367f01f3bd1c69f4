"""Forms of calls that are held and not awaited yet, or that tasks were made of."""

from __future__ import annotations

from types import CellType
from typing import TYPE_CHECKING, Any

from waymark.engine.awaitables import (
    ActionCall,
    ChildCall,
    ChildWorkflow,
    HelperCall,
    PolicedCall,
    workflow_stub,
)
from waymark.graph.model import DEFINED
from waymark.graph.policies import CallPolicy, RetryPolicy, call_policy
from waymark.values.codec import Codec, Decoding, Encoding, Failure, Form, Tree
from waymark.values.items import checked
from waymark.values.text import text_of

from .codec import cell_at, heap_decoding, heap_encoding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from waymark.engine.program import Program


class ActionCallForm:
    """A call of an action or of a child: the registered name, the recorded arguments."""

    shapes, tracked = (list,), True

    def __init__(self, cls: type[ActionCall], targets: Mapping[str, Any]) -> None:
        self.tag = f"~{cls.__name__}"
        self._cls = cls
        self._targets = targets

    def write(self, value: ActionCall, out: Encoding) -> Tree:
        return [value.action.name, value.arguments.decode(), value.awaited, value.node]

    def read(self, tree: Tree, source: Decoding, number: int | None) -> ActionCall:
        name, arguments, awaited, node = checked(tree, list)
        if name not in self._targets:
            raise Failure(f"the graph calls nothing that is called {name!r}")
        made = self._cls(self._targets[name], (text_of(arguments).encode(), None))
        made.awaited, made.node = checked(awaited, bool), checked(node, int)
        return made


class PolicedCallForm:
    """`self.run_action(...)` of a call."""

    tag, shapes, tracked = "~PolicedCall", (list,), True

    def __init__(self, anything: Codec) -> None:
        self._anything = anything

    def write(self, value: PolicedCall, out: Encoding) -> Tree:
        return [self._anything.encode(value.call, out), policy_tree(value.policy), value.node]

    def read(self, tree: Tree, source: Decoding, number: int | None) -> PolicedCall:
        call, policy, node = checked(tree, list)
        found = self._anything.decode(call, source)
        if type(found) is not ActionCall:
            raise Failure("a policy for what is no call of an action")
        made = PolicedCall(found, policy_of(policy))
        made.node = checked(node, int)
        return made


class ChildWorkflowForm:
    """`Other()`: the workflow's name."""

    tag, shapes, tracked = "~ChildWorkflow", (str,), True

    def __init__(self, workflows: Mapping[str, Any]) -> None:
        self._workflows = workflows

    def write(self, value: ChildWorkflow, out: Encoding) -> Tree:
        return value.run.__name__.removesuffix(".run")

    def read(self, tree: Tree, source: Decoding, number: int | None) -> ChildWorkflow:
        if tree not in self._workflows:
            raise Failure(f"the graph calls no workflow {tree!r}")
        return workflow_stub(self._workflows[tree])()


class HelperCallForm:
    """A call of a helper: its number in the graph, or the name of a definition."""

    tag, shapes, tracked = "~HelperCall", (list,), True

    def __init__(self, program: Program, anything: Codec) -> None:
        self._program = program
        self._anything = anything

    def write(self, value: HelperCall, out: Encoding) -> Tree:
        cells = [heap_encoding(out).cell(cell) for cell in value.captured]
        values = [self._anything.encode(each, out) for each in value.values]
        return [value.function, value.name, values, cells, value.awaited]

    def read(self, tree: Tree, source: Decoding, number: int | None) -> HelperCall:
        index, name, values, numbers, awaited = checked(tree, list)
        heap = heap_decoding(source)
        cells: tuple[CellType, ...] = tuple(cell_at(heap, each) for each in numbers)
        made = HelperCall(checked(index, int), text_of(name), (), cells)
        if number is not None:
            source.shared[number] = made
        made.values = tuple(self._anything.decode(each, source) for each in values)
        made.awaited = checked(awaited, bool)
        self._check(made)
        return made

    def _check(self, made: HelperCall) -> None:
        index = made.function
        if index < 0 and made.name.startswith(DEFINED):
            index = self._program.definitions.get(made.name, -1)
        if not 0 <= index < len(self._program.functions):
            raise Failure(f"the graph has no function {made.name!r}")
        function = self._program.functions[index]
        captured = len(self._program.graph.functions[index].captured)
        if len(made.captured) != captured or len(made.values) > len(function.variables):
            raise Failure(f"a call of {made.name} with arguments that it does not have")


def policy_tree(policy: CallPolicy | None) -> Tree:
    """A policy of a call as plain data."""
    if policy is None:
        return None
    retry = policy.retry
    kept = None
    if retry is not None:
        kept = {**vars(retry), "exception_types": [*map(str, retry.exception_types)]}
    return [kept, policy.timeout_seconds, policy.total_seconds, policy.heartbeat_seconds]


def policy_of(tree: Tree) -> CallPolicy:
    """The policy again, checked as one that a body made."""
    retry, *limits = checked(tree, list)
    made = None if retry is None else RetryPolicy(**checked(retry, dict))
    return call_policy(made, *limits)


def call_forms(program: Program, anything: Codec) -> dict[type, Form]:
    """The forms of calls, by exact class."""
    return {
        ActionCall: ActionCallForm(ActionCall, program.actions),
        ChildCall: ActionCallForm(ChildCall, program.children),
        PolicedCall: PolicedCallForm(anything),
        ChildWorkflow: ChildWorkflowForm(program.children),
        HelperCall: HelperCallForm(program, anything),
    }
