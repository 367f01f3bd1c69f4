"""What the checker of pure code finds."""

from __future__ import annotations

import ast
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Violation:
    """Something in `node` that pure code may not do. `code` is a diagnostic's
    code, `fact` says what is wrong, `fix` what to write instead."""

    node: ast.AST
    code: str
    fact: str
    fix: str
