"""Whether the calls that a stored graph makes still fit what is registered here.

A deploy may change the signature of an action while runs of an older version of a workflow
are in flight, whose graph calls it as before. Such a call would fail in the run as if its
author had made a mistake. So a process does not serve a graph with a call that no longer
binds; its runs wait, with the reason, for one that can.

A call is judged where it says what it passes: `act(x, key=y)`. One with `*args` or
`**options`, or through a variable, binds or fails when it is made.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import cast

from ..authoring.action import Action
from ..authoring.workflow import WorkflowDefinition
from ..graph.model import Code, Graph, Handler, Name, Node, walk
from ..graph.trees import walk as walk_tree
from ..values.arguments import Arguments


def misfit(
    graph: Graph,
    action: Callable[[str], Action[..., object] | None],
    workflow: Callable[[str], WorkflowDefinition | None],
) -> str | None:
    """Why a call of the graph does not fit; None when all do."""
    for function in graph.functions:
        for node in walk(function.body):
            for code in _codes(node):
                for call in _calls(code):
                    found = _called(call, function.names, action, workflow)
                    problem = None if found is None else _problem(call, found[1])
                    if found is not None and problem is not None:
                        return (
                            f"its graph calls {found[0]} as line {_line(code)} of {graph.workflow}"
                            f" once did, which no longer fits its signature: {problem}; give new"
                            " parameters a default and keep the old ones while such runs are in"
                            " flight"
                        )
    return None


def _codes(node: Node | Handler) -> Iterator[Code]:
    for each in fields(node):
        value: object = getattr(node, each.name)
        if isinstance(value, Code):
            yield value
        elif each.name == "handlers":
            for handler in cast("tuple[Handler, ...]", value):
                yield from _codes(handler)


def _line(code: Code) -> int:
    return code.lines[0] if code.lines else 0


def _calls(code: Code) -> Iterator[ast.Call]:
    """The calls in a piece of code that say what they pass, through names that nothing in
    it binds."""
    nodes = walk_tree(ast.parse(code.text, mode=code.mode))
    bound = {node.id for node in nodes if isinstance(node, ast.Name) and _stores(node)}
    bound |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    for node in nodes:
        if not isinstance(node, ast.Call):
            continue
        plain = all(keyword.arg is not None for keyword in node.keywords) and not any(
            isinstance(argument, ast.Starred) for argument in node.args
        )
        if plain and _root(node) not in bound:
            yield node


def _stores(name: ast.Name) -> bool:
    return not isinstance(name.ctx, ast.Load)


def _root(call: ast.Call) -> str | None:
    """The name that a call begins with: `act(x)`, or `Other().run(x)`."""
    match call.func:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=ast.Call(func=ast.Name(id=name)), attr="run"):
            return name
        case _:
            return None


def _called(
    call: ast.Call,
    names: Mapping[str, Name],
    action: Callable[[str], Action[..., object] | None],
    workflow: Callable[[str], WorkflowDefinition | None],
) -> tuple[str, Arguments] | None:
    """What a call leads to, where that is an action or a workflow's `run`."""
    root = _root(call)
    name = None if root is None else names.get(root)
    if name is None:
        return None
    found: Action[..., object] | WorkflowDefinition | None = None
    if name.kind == "action" and isinstance(call.func, ast.Name):
        found = action(name.ref)
    elif name.kind == "workflow" and isinstance(call.func, ast.Attribute):
        found = workflow(name.ref)
    return None if found is None else (name.ref, found.arguments)


def _problem(call: ast.Call, arguments: Arguments) -> str | None:
    named = [keyword.arg for keyword in call.keywords if keyword.arg is not None]
    return arguments.misfit(len(call.args), named)
