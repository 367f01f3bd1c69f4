"""The whole of a workflow: `run`, then each helper that it reaches."""

from __future__ import annotations

import sys
from types import FunctionType

from waymark.authoring.hooks import Compiled
from waymark.authoring.workflow import WorkflowDefinition
from waymark.errors import GraphError
from waymark.graph.codec import to_document
from waymark.graph.fingerprint import fingerprint
from waymark.graph.model import Function, Graph
from waymark.graph.validation import validate

from .diagnostics import Diagnostic, compile_error
from .functions import compile_function
from .numbering import numbered
from .reach import Reach
from .source import SourceProblem, find_source


def compile_workflow(definition: WorkflowDefinition, final: bool) -> Compiled:
    """Compile `definition.authored` and what it reaches.

    Raises WorkflowCompileError with every violation. Names that have no meaning
    yet are violations when `final`; else they are returned in `unresolved`, with
    no graph.
    """
    reach = Reach(definition, final)
    reach.helper(_authored(definition), "run", method=True)
    functions: list[Function] = []
    while len(functions) < len(reach.queue):
        pending = reach.queue[len(functions)]
        try:
            functions.append(compile_function(pending, reach))
        except SourceProblem as problem:
            raise compile_error(definition.name, [problem.diagnostic]) from None
    if reach.diagnostics:
        raise compile_error(definition.name, in_source_order(reach.diagnostics))
    if reach.unresolved:
        return Compiled(None, unresolved=tuple(reach.unresolved))
    graph = Graph(
        workflow=definition.name,
        functions=numbered(functions),
        attributes=dict(sorted(reach.attributes.items())),
        compiled_by=sys.version_info[:2],
    )
    _check_own_work(definition, graph)
    return Compiled(graph, fingerprint(graph), to_document(graph))


def _authored(definition: WorkflowDefinition) -> FunctionType:
    authored = definition.authored
    assert isinstance(authored, FunctionType), "the decorator lets nothing else pass"
    return authored


def in_source_order(diagnostics: list[Diagnostic]) -> list[Diagnostic]:
    """By file as they were reached, then by place."""
    files = {diagnostic.path: None for diagnostic in diagnostics}
    order = {path: position for position, path in enumerate(files)}
    return sorted(diagnostics, key=lambda found: (order[found.path], found.line, found.column))


def _check_own_work(definition: WorkflowDefinition, graph: Graph) -> None:
    """A graph that does not hold its own rules is our mistake, shown as one."""
    try:
        validate(graph)
    except GraphError as error:
        source = find_source(_authored(definition))
        diagnostic = source.diagnostic(
            source.node,
            "WM901",
            f"the compiler made a graph that breaks its own rules: {error}",
            "please report this, with the workflow; writing it in simpler steps may help",
        )
        raise compile_error(definition.name, [diagnostic]) from error
