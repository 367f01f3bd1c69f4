"""Showing a compiler's warnings as Python's own, at the author's line.

So they follow Python's filters (`-W error::waymark.WorkflowWarning`), pytest
lists them, and each place is shown once in a process.
"""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Any

from waymark.errors import WorkflowWarning

from .hooks import Compiled

if TYPE_CHECKING:
    from waymark.compiler.diagnostics import Diagnostic


def announced(compiled: Compiled) -> Compiled:
    """`compiled`, its warnings having been shown."""
    for warning in compiled.warnings:
        module, scope = _module_of(warning.path)
        warnings.warn_explicit(
            WorkflowWarning(_text(warning)),
            WorkflowWarning,
            warning.path,
            warning.line,
            module=module,
            registry=None if scope is None else scope.setdefault("__warningregistry__", {}),
            module_globals=scope,
        )
    return compiled


def _text(warning: Diagnostic) -> str:
    return f"{warning.code} {warning.name}: {warning.message}; {warning.hint}"


def _module_of(path: str) -> tuple[str, dict[str, Any] | None]:
    """Name and globals of the module whose file this is; they keep a place from
    being shown twice. Code of no file, such as a notebook's cell, has no globals."""
    for name, module in list(sys.modules.items()):
        if getattr(module, "__file__", None) == path:
            return name, vars(module)
    return path, None
