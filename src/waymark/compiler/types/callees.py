"""Functions of the author's that are called, and what they declare."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import FunctionType
from typing import Any

from waymark.authoring.action import Action
from waymark.authoring.annotations import signature_of
from waymark.authoring.pure import pure_ref
from waymark.authoring.workflow import AUTHORED

from ..catalogued import library_path
from ..lints.scene import Scene
from .annotations import hints_of_function, type_of
from .lattice import NONE, Instance, Pending, Type, join


@dataclass(frozen=True, slots=True)
class Callee:
    """Something of the author's that is called. `copied` says that arguments and
    result are stored, so that a coroutine among them is a mistake."""

    name: str
    signature: inspect.Signature
    hints: Mapping[str, Any]
    result: Type
    copied: bool
    _declared: dict[str, Type] = field(default_factory=dict[str, Type])

    def declared(self, parameter: inspect.Parameter) -> Type:
        """What a parameter is declared to take."""
        name = parameter.name
        if name not in self._declared:
            one = type_of(self.hints.get(name, Any))
            self._declared[name] = join(one, NONE) if parameter.default is None else one
        return self._declared[name]


def authored_callee(scene: Scene, node: ast.expr, live: Any) -> Callee | None:
    """The action, helper or pure function `live`, that `node` names."""
    name = ast.unparse(node)
    if isinstance(live, Action):
        return _callee(name, live.signature, live.hints, awaited=True, copied=True)
    if not isinstance(live, FunctionType) or library_path(live) is not None or is_ours(live):
        return None
    signature = signature_of(live)
    if _is_method(scene, node):
        signature = signature.replace(parameters=[*signature.parameters.values()][1:])
    awaited = inspect.iscoroutinefunction(live)
    if not awaited and pure_ref(live) is None and not _is_method(scene, node):
        return None
    return _callee(name, signature, hints_of_function(live), awaited=awaited, copied=False)


def is_ours(function: FunctionType) -> bool:
    """Whether a function is part of Waymark, as the methods of `Workflow` are."""
    return function.__module__.partition(".")[0] == __name__.partition(".")[0]


def child_callee(owner: Type, name: str) -> Callee | None:
    """`run` of another workflow."""
    if name != "run" or not isinstance(owner, Instance) or "__waymark__" not in vars(owner.cls):
        return None
    run = getattr(owner.cls.run, AUTHORED, owner.cls.run)
    if not isinstance(run, FunctionType):
        return None
    signature = signature_of(run)
    signature = signature.replace(parameters=[*signature.parameters.values()][1:])
    called = f"{owner.cls.__name__}.run"
    return _callee(called, signature, hints_of_function(run), awaited=True, copied=True)


def _callee(
    name: str,
    signature: inspect.Signature,
    hints: Mapping[str, Any],
    *,
    awaited: bool,
    copied: bool,
) -> Callee:
    result = type_of(hints.get("return", Any), f"the result of `{name}`")
    return Callee(
        name, signature, hints, Pending(result, name) if awaited else result, copied=copied
    )


def _is_method(scene: Scene, node: ast.expr) -> bool:
    """Whether `node` is `self.name` of a function that gets `self`."""
    if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name):
        return False
    if node.value.id != scene.receiver:
        return False
    return not isinstance(inspect.getattr_static(scene.cls, node.attr, None), staticmethod)
