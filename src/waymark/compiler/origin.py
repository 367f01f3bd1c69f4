"""Whose code a function is: the workflow's own, or a library's.

Where code lies does not tell by itself. An application that is deployed is often installed
as its libraries are, and must compile there as it did from its folder; so must the
definitions of ours that stand for asyncio's (`prelude`), which always are.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib.metadata import packages_distributions
from types import FunctionType

#: Folders that installers fill.
_INSTALLED = ("site-packages", "dist-packages")


def is_installed(path: str) -> bool:
    """Whether an installer put a file there."""
    return any(folder in path for folder in _INSTALLED)


def is_library(function: FunctionType, workflow: type) -> bool:
    """Whether a function was installed, and neither Waymark nor what was installed together
    with `workflow` brought it."""
    if not is_installed(function.__code__.co_filename):
        return False
    root, home = _root(function.__globals__.get("__name__")), _root(workflow.__module__)
    return root not in ("waymark", home) and _distributions(root).isdisjoint(_distributions(home))


def _root(module: object) -> str:
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    name = spec.name if module == "__main__" and spec is not None else module
    return str(name).partition(".")[0]


@cache
def _distributions(root: str) -> frozenset[str]:
    """The distributions that installed a top-level package or module."""
    return frozenset(packages_distributions().get(root, ()))
