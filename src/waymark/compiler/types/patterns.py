"""What a `case` tells about the value that is matched."""

from __future__ import annotations

import ast

from ..lints.scene import Scene
from .lattice import NONE, UNKNOWN, Instance, Type, certain, without


def matched(scene: Scene, case: ast.match_case, one: Type) -> tuple[Type, Type]:
    """What the value is inside a case, and what is left for the next ones."""
    pattern = case.pattern
    while isinstance(pattern, ast.MatchAs) and pattern.pattern is not None:
        pattern = pattern.pattern
    inside, rest = _one(scene, pattern, certain(one))
    return inside, certain(one) if case.guard is not None else rest


def _one(scene: Scene, pattern: ast.pattern, one: Type) -> tuple[Type, Type]:
    match pattern:
        case ast.MatchSingleton(value=None):
            return NONE, without(one, (type(None),))
        case ast.MatchClass(cls=name):
            cls = scene.live(name)
            if not isinstance(cls, type):
                return UNKNOWN, one
            whole = not pattern.patterns and not pattern.kwd_patterns
            return Instance(cls), without(one, (cls,)) if whole else one
        case ast.MatchAs():
            return one, UNKNOWN
        case _:
            return UNKNOWN, one
