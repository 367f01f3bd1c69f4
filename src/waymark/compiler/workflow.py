"""The whole of a workflow: `run`, then each helper that it reaches."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from types import FunctionType
from typing import TypeVar

from waymark.authoring.hooks import Compiled
from waymark.authoring.workflow import WorkflowDefinition
from waymark.errors import GraphError, RegistrationError
from waymark.graph.codec import to_document
from waymark.graph.fingerprint import fingerprint
from waymark.graph.model import Function, Graph, SyncFunction
from waymark.graph.validation import validate

from .diagnostics import Diagnostic, compile_error
from .functions import compile_function, compile_sync_function
from .members import find_member, special_methods
from .numbering import numbered
from .reach import Facts, PendingFunction, Reach
from .source import SourceProblem, find_source
from .warned import unknown_codes, warnings_of


def compile_workflow(definition: WorkflowDefinition, final: bool) -> Compiled:
    """Compile `definition.authored` and what it reaches.

    Raises WorkflowCompileError with every violation, and RegistrationError for an
    `ignore` that can mean no warning. Names that have no meaning
    yet are violations when `final`; else they are returned in `unresolved`, with
    no graph.
    """
    unknown = unknown_codes(definition.ignore)
    if unknown:
        raise RegistrationError(
            f"{definition.name}: ignore={definition.ignore!r} names {unknown[0]!r}, which is no"
            " warning's code; errors cannot be ignored"
        )
    facts = Facts(stateful=find_member(definition.cls, "__init__", "") is not None)
    while True:
        reach = Reach.under(facts, definition, final)
        functions, sync_functions = _compile_all(reach)
        if reach.found() == facts:
            break
        # More is known of `self` than was assumed; it only ever grows.
        facts = reach.found()
    if reach.diagnostics:
        raise compile_error(definition.name, in_source_order(reach.diagnostics))
    if reach.unresolved:
        return Compiled(None, unresolved=tuple(reach.unresolved))
    graph = Graph(
        workflow=definition.name,
        functions=numbered(functions),
        sync_functions=tuple(sync_functions),
        attributes=dict(sorted(reach.attributes.items())),
        self_class=definition.cls.__qualname__ if facts.stateful else "",
        compiled_by=sys.version_info[:2],
    )
    _check_own_work(definition, graph, reach)
    return Compiled(graph, fingerprint(graph), to_document(graph), warnings=tuple(_warnings(reach)))


def _compile_all(reach: Reach) -> tuple[list[Function], list[SyncFunction]]:
    """`run`, then each function that joins the queue meanwhile."""
    reach.helper(_authored(reach.definition), "run", "self")
    functions: list[Function] = []
    sync_functions: list[SyncFunction] = []
    for pending in reach.queue:
        reach.current = pending
        if pending.is_async:
            functions.append(_guarded(compile_function, pending, reach))
        else:
            sync_functions.append(_guarded(compile_sync_function, pending, reach))
        functions.extend(reach.local_functions)
        reach.local_functions.clear()
    if reach.facts.stateful:
        _check_special_methods(reach)
    return functions, sync_functions


def _check_special_methods(reach: Reach) -> None:
    reach.current = None
    for method in special_methods(reach.definition.cls, escapes=reach.facts.escapes):
        source = find_source(method)
        reach.report(
            source,
            source.node,
            "WM223",
            f"`{method.__qualname__}` would not be called: `self` has no special methods in a run",
            "give it a name of its own, and call that",
        )


_F = TypeVar("_F", Function, SyncFunction)


def _guarded(
    compile_one: Callable[[PendingFunction, Reach], _F], pending: PendingFunction, reach: Reach
) -> _F:
    name = reach.definition.name
    try:
        return compile_one(pending, reach)
    except SourceProblem as problem:
        raise compile_error(name, [problem.diagnostic]) from None
    except RecursionError:
        raise compile_error(name, [_at_definition(pending.function, *_TOO_DEEP)]) from None
    except Exception as error:
        # Whatever this is, it is our mistake; the author still learns where.
        fact = f"the compiler failed: {type(error).__name__}: {error}"
        raise compile_error(
            name, [_at_definition(pending.function, "WM901", fact, _REPORT)]
        ) from error


def _warnings(reach: Reach) -> list[Diagnostic]:
    """A mistake of ours in looking for warnings never stops a registration."""
    try:
        return in_source_order(warnings_of(reach))
    except RecursionError:
        return []
    except Exception as error:  # noqa: BLE001 - whatever it is, the author's workflow compiles
        fact = f"the search for warnings failed: {type(error).__name__}: {error}"
        diagnostic = _at_definition(_authored(reach.definition), "WM901", fact, _REPORT)
        return [replace(diagnostic, severity="warning")]


_REPORT = "please report this, with the workflow; writing it in simpler steps may help"
_TOO_DEEP = (
    "WM108",
    "something in this function is nested too deeply for Python to walk through",
    "give parts of the expression names of their own, or build it in a loop",
)


def _at_definition(function: FunctionType, code: str, fact: str, fix: str) -> Diagnostic:
    source = find_source(function)
    return source.diagnostic(source.node, code, fact, fix)


def _authored(definition: WorkflowDefinition) -> FunctionType:
    authored = definition.authored
    assert isinstance(authored, FunctionType), "the decorator lets nothing else pass"
    return authored


def in_source_order(diagnostics: list[Diagnostic]) -> list[Diagnostic]:
    """By file as they were reached, then by place."""
    files = {diagnostic.path: None for diagnostic in diagnostics}
    order = {path: position for position, path in enumerate(files)}
    return sorted(diagnostics, key=lambda found: (order[found.path], found.line, found.column))


def _check_own_work(definition: WorkflowDefinition, graph: Graph, reach: Reach) -> None:
    """A graph that does not hold its own rules is our mistake, shown as one."""
    try:
        validate(graph, reach.trees)
    except GraphError as error:
        fact = f"the compiler made a graph that breaks its own rules: {error}"
        diagnostic = _at_definition(_authored(definition), "WM901", fact, _REPORT)
        raise compile_error(definition.name, [diagnostic]) from error
