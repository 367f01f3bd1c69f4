"""One authored function to one `Function` of the graph."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from typing import Any

from waymark.graph.check import check_definition
from waymark.graph.model import (
    DEFAULT,
    INIT,
    Compute,
    Function,
    Name,
    Parameter,
    ParameterKind,
    SyncFunction,
)
from waymark.graph.scopes import free_names

from .calls import check_calls
from .code import statements_code
from .held import check_held
from .lowering import UNNUMBERED, Lowering
from .members import entry_of, find_member
from .names import Refusal, constant
from .patterns import check_patterns
from .prepare import prepare
from .purity import never_ends
from .reach import PendingFunction, Reach
from .source import find_source
from .statements import ENDLESS, lower_statement
from .table import Prepared, Table

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
    return _lowered(prepared, reach, _parameters(prepared, reach))


def _lowered(
    prepared: Prepared, reach: Reach, parameters: tuple[Parameter, ...], *, local: bool = False
) -> Function:
    pending, source = prepared.pending, prepared.source
    check_calls(prepared, reach)
    check_patterns(prepared, reach)
    lowering = Lowering(prepared, reach, lower_statement)
    if pending.name == "run":
        _begin(lowering, reach)
    lowering.lower(prepared.body)
    lowering.flush()
    check_held(prepared, lowering.nodes, reach)
    _compile_inner(prepared, reach)
    return Function(
        name=pending.name,
        parameters=parameters,
        variables=tuple(lowering.variables),
        names=_table(prepared, lowering, parameters),
        body=tuple(lowering.nodes),
        method=pending.method,
        span=source.span(source.node),
        source=source.text,
        first_line=source.first_line,
        path=source.path,
        local=local,
        captured=tuple(prepared.captured),
    )


def _compile_inner(prepared: Prepared, reach: Reach) -> None:
    """Compile the async functions that one defines; they join the graph."""
    for inner in prepared.inner:
        parameters = tuple(_local_parameters(inner.arguments))
        reach.local_functions.append(_lowered(inner, reach, parameters, local=True))


def _local_parameters(arguments: ast.arguments) -> Iterator[Parameter]:
    """Parameters whose defaults are given where the function is defined."""
    plain = [*arguments.posonlyargs, *arguments.args]
    first = len(plain) - len(arguments.defaults)
    for position, parameter in enumerate(plain):
        kind: ParameterKind = "positional" if position < len(arguments.posonlyargs) else "normal"
        default = f"{DEFAULT}{parameter.arg}" if position >= first else None
        yield Parameter(parameter.arg, kind, default)
    if arguments.vararg is not None:
        yield Parameter(arguments.vararg.arg, "var_positional")
    for parameter, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        default = f"{DEFAULT}{parameter.arg}" if value is not None else None
        yield Parameter(parameter.arg, "keyword", default)
    if arguments.kwarg is not None:
        yield Parameter(arguments.kwarg.arg, "var_keyword")


def compile_sync_function(pending: PendingFunction, reach: Reach) -> SyncFunction:
    """The definition of a function that does not wait. Raises SourceProblem."""
    source = reach.sources[pending.name] = find_source(pending.function)
    prepared = prepare(source, pending, reach)
    definition = _definition(prepared, reach)
    check_calls(prepared, reach)
    check_patterns(prepared, reach)
    for node in ast.walk(definition):
        if isinstance(node, ast.While) and never_ends(node):
            reach.report(source, node.test, *ENDLESS)
    for violation in check_definition(definition, prepared.names):
        reach.report(source, violation.node, violation.code, violation.fact, violation.fix)
    _compile_inner(prepared, reach)
    return SyncFunction(
        name=pending.name,
        code=statements_code([definition], (), reach.trees),
        names=_used(prepared, free_names(definition)),
        method=pending.method,
        span=source.span(source.node),
        source=source.text,
        first_line=source.first_line,
        path=source.path,
    )


def _definition(prepared: Prepared, reach: Reach) -> ast.FunctionDef:
    """The prepared body under its own parameters, receiver included."""
    pending, arguments = prepared.pending, prepared.arguments
    for parameter in ast.walk(arguments):
        if isinstance(parameter, ast.arg):
            parameter.annotation = None
    if pending.receiver:
        first = arguments.posonlyargs or arguments.args
        first.insert(0, ast.arg(pending.receiver))
    _name_defaults(prepared, reach)
    where = prepared.source.node
    made = ast.FunctionDef(where.name, arguments, prepared.body, [])
    return ast.fix_missing_locations(ast.copy_location(made, where))


def _name_defaults(prepared: Prepared, reach: Reach) -> None:
    """Each default is the live one, made when the function was defined."""
    arguments, function = prepared.arguments, prepared.pending.function
    table = Table(prepared, reach, None)
    plain = [*arguments.posonlyargs, *arguments.args]
    values = function.__defaults__ or ()
    for position, value in enumerate(values):
        parameter = plain[len(plain) - len(values) + position]
        arguments.defaults[position] = table.default(parameter, value)
    named: dict[str, Any] = function.__kwdefaults__ or {}
    for position, parameter in enumerate(arguments.kwonlyargs):
        if parameter.arg in named:
            arguments.kw_defaults[position] = table.default(parameter, named[parameter.arg])


def _begin(lowering: Lowering, reach: Reach) -> None:
    """A run begins with the `__init__` of its `self`."""
    init = find_member(reach.definition.cls, "__init__", "self.__init__")
    if init is None or not reach.facts.stateful:
        return
    prepared = lowering.prepared
    entry = entry_of(reach, init)
    Table(prepared, reach, None).put(prepared.source.node, INIT, entry)
    call = ast.parse(f"{INIT}(self)").body[0]
    for node in ast.walk(call):
        ast.copy_location(node, prepared.source.node)
    lowering.used.add(INIT)
    span = prepared.source.span(prepared.source.node)
    lowering.node(Compute(UNNUMBERED, span, statements_code([call], ())))


def _table(
    prepared: Prepared, lowering: Lowering, parameters: tuple[Parameter, ...]
) -> dict[str, Name]:
    defaults = {parameter.default for parameter in parameters if parameter.default}
    return _used(prepared, lowering.used | defaults)


def _used(prepared: Prepared, used: set[str]) -> dict[str, Name]:
    """The names that are used, in their order, so that equal bodies hash equal. A
    local function shares them with the one around, whose names may be its variables."""
    return {
        name: entry
        for name, entry in sorted(prepared.names.items())
        if name in used and not prepared.is_variable(name)
    }


def _parameters(prepared: Prepared, reach: Reach) -> tuple[Parameter, ...]:
    signature = reach.signatures[prepared.pending.name]
    found = list(signature.parameters.values())
    if prepared.pending.receiver:
        first, *found = found
        if prepared.pending.receiver == "cls":
            found.insert(0, first.replace(name="cls"))
    return tuple(_parameter(prepared, reach, parameter) for parameter in found)


def _parameter(prepared: Prepared, reach: Reach, parameter: inspect.Parameter) -> Parameter:
    default: str | None = None
    if parameter.default is not inspect.Parameter.empty:
        entry = constant(parameter.default, parameter.name, code="WM403")
        if isinstance(entry, Refusal):
            node = _argument(prepared.arguments, parameter.name)
            reach.report(prepared.source, node, entry.code, entry.fact, entry.fix)
        else:
            default = f"{DEFAULT}{parameter.name}"
            prepared.names[default] = entry
    kind = _KINDS[parameter.kind]
    return Parameter(parameter.name, kind, default)  # type: ignore[arg-type]  # a literal of the table


def _argument(arguments: ast.arguments, name: str) -> ast.AST:
    for node in ast.walk(arguments):
        if isinstance(node, ast.arg) and node.arg == name:
            return node
    return arguments
