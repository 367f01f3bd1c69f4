"""How a function of the graph takes its arguments: by a function of ours with the same
parameters, so that binding and its errors are Python's own."""

from __future__ import annotations

import ast
from collections.abc import Callable
from types import CellType, CodeType, FunctionType
from typing import Any

from waymark.errors import ImpureCallError
from waymark.graph.model import Function

_PARAMETER_FORMS = {
    "positional": "posonlyargs",
    "normal": "args",
    "keyword": "kwonlyargs",
}


#: With whatever fields a definition has on this Python.
_FIELDS = vars(ast.parse("def made(): pass").body[0])


def no_arguments() -> ast.arguments:
    """An empty list of parameters."""
    return ast.arguments([], [], None, [], [], None, [])


def definition(name: str, arguments: ast.arguments, body: list[ast.stmt]) -> ast.FunctionDef:
    """`def name(<arguments>): <body>`."""
    made = ast.FunctionDef.__new__(ast.FunctionDef)
    vars(made).update(_FIELDS, name=name, args=arguments, body=body)
    return made


def local_maker(
    function: Function, bind_code: CodeType, call: Callable[..., Any]
) -> Callable[..., Callable[..., Any]]:
    """What makes a local function where its definition stands: called with a lambda
    that closes over the variables it shares, and its defaults. `call` is given the
    values of its parameters and the shared cells."""

    def make(
        capture: object, defaults: tuple[Any, ...] = (), named: dict[str, Any] | None = None
    ) -> Callable[..., Any]:
        cells = _cells(function, capture)
        return local_function(function, bind_code, call, cells, defaults, named)

    return make


def binding_code(code: CodeType) -> CodeType:
    """The function in what `binder` has made."""
    return next(constant for constant in code.co_consts if isinstance(constant, CodeType))


def local_function(
    function: Function,
    bind_code: CodeType,
    call: Callable[..., Any],
    cells: tuple[CellType, ...],
    defaults: tuple[Any, ...],
    named: dict[str, Any] | None,
) -> Callable[..., Any]:
    """One local function, over the variables that it shares."""
    bind = FunctionType(bind_code, {}, "bind", defaults)
    bind.__kwdefaults__ = named or {}
    bind.__qualname__ = function.name

    def made(*args: Any, **kwargs: Any) -> Any:
        return call(bind(*args, **kwargs), cells)

    return made


#: The code of all local functions.
LOCAL: CodeType = next(
    part for part in local_function.__code__.co_consts if isinstance(part, CodeType)
)


def _cells(function: Function, capture: object) -> tuple[CellType, ...]:
    """The cells of the variables that `capture` reads, in the function's order."""
    found: dict[str, CellType] = {}
    if isinstance(capture, FunctionType):
        names = capture.__code__.co_freevars
        found = dict(zip(names, capture.__closure__ or (), strict=True))
    missing = [name for name in function.captured if name not in found]
    if missing:
        raise ImpureCallError(f"`{function.name}` is made where it cannot share `{missing[0]}`")
    return tuple([found[name] for name in function.captured])


def binder(function: Function, *, stateful: bool) -> CodeType:
    """`def bind(<parameters>): return (<parameters>,)`, so that binding and its
    errors are Python's own. Each method takes `self`; it is given on where it is
    `stateful`, a variable."""
    arguments = no_arguments()
    if function.method:
        arguments.posonlyargs.append(ast.arg("self"))
    for parameter in function.parameters:
        match parameter.kind:
            case "var_positional":
                arguments.vararg = ast.arg(parameter.name)
            case "var_keyword":
                arguments.kwarg = ast.arg(parameter.name)
            case kind:
                getattr(arguments, _PARAMETER_FORMS[kind]).append(ast.arg(parameter.name))
                default = parameter.default
                value = None if default is None else ast.Name(default, ast.Load())
                if kind == "keyword":
                    arguments.kw_defaults.append(value)
                elif value is not None:
                    arguments.defaults.append(value)
    own = ["self"] if function.method and stateful else []
    given = [*own, *(parameter.name for parameter in function.parameters)]
    names: list[ast.expr] = [ast.Name(name, ast.Load()) for name in given]
    body: list[ast.stmt] = [ast.Return(ast.Tuple(names, ast.Load()))]
    module = ast.Module([definition("bind", arguments, body)], [])
    return compile(ast.fix_missing_locations(module), "<parameters>", "exec", dont_inherit=True)
