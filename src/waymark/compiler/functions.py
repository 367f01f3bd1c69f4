"""One authored function to one `Function` of the graph."""

from __future__ import annotations

import ast
import inspect

from waymark.graph.model import HIDDEN, Function, Name, Parameter

from .calls import check_calls
from .held import check_held
from .lowering import Lowering
from .names import Refusal, constant
from .patterns import check_patterns
from .prepare import prepare
from .reach import PendingFunction, Reach
from .source import find_source
from .statements import lower_statement
from .table import Prepared

_KINDS = {
    inspect.Parameter.POSITIONAL_ONLY: "positional",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "normal",
    inspect.Parameter.KEYWORD_ONLY: "keyword",
    inspect.Parameter.VAR_POSITIONAL: "var_positional",
    inspect.Parameter.VAR_KEYWORD: "var_keyword",
}


def compile_function(pending: PendingFunction, reach: Reach) -> Function:
    """The function with unnumbered nodes; what is wrong goes to `reach`. Raises
    SourceProblem when there is no source to compile."""
    source = reach.sources[pending.name] = find_source(pending.function)
    prepared = prepare(source, pending, reach)
    check_calls(prepared, reach)
    check_patterns(prepared, reach)
    parameters = _parameters(prepared, reach)
    lowering = Lowering(prepared, reach, lower_statement)
    lowering.lower(prepared.body)
    lowering.flush()
    body = tuple(lowering.nodes)
    check_held(prepared, lowering.nodes, reach)
    return Function(
        name=pending.name,
        parameters=parameters,
        variables=tuple(lowering.variables),
        names=_table(prepared, lowering, parameters),
        body=body,
        method=pending.method,
        span=source.span(source.node),
        source=source.text,
        first_line=source.first_line,
        path=source.path,
    )


def _table(
    prepared: Prepared, lowering: Lowering, parameters: tuple[Parameter, ...]
) -> dict[str, Name]:
    """The names that are used, in their order, so that equal bodies hash equal."""
    used = lowering.used | {parameter.default for parameter in parameters}
    return {name: entry for name, entry in sorted(prepared.names.items()) if name in used}


def _parameters(prepared: Prepared, reach: Reach) -> tuple[Parameter, ...]:
    signature = inspect.signature(prepared.pending.function)
    found = list(signature.parameters.values())[1 if prepared.pending.method else 0 :]
    return tuple(_parameter(prepared, reach, parameter) for parameter in found)


def _parameter(prepared: Prepared, reach: Reach, parameter: inspect.Parameter) -> Parameter:
    default: str | None = None
    if parameter.default is not inspect.Parameter.empty:
        entry = constant(parameter.default, parameter.name, code="WM403")
        if isinstance(entry, Refusal):
            node = _argument(prepared.arguments, parameter.name)
            reach.report(prepared.source, node, entry.code, entry.fact, entry.fix)
        else:
            default = f"{HIDDEN}default_{parameter.name}"
            prepared.names[default] = entry
    kind = _KINDS[parameter.kind]
    return Parameter(parameter.name, kind, default)  # type: ignore[arg-type]  # a literal of the table


def _argument(arguments: ast.arguments, name: str) -> ast.AST:
    for node in ast.walk(arguments):
        if isinstance(node, ast.arg) and node.arg == name:
            return node
    return arguments
