"""Errors that the interpreter itself raises around `await`, in the words of the Python that
runs this: bodies and their callers read them."""

from __future__ import annotations

import sys
from typing import Any


def not_awaitable(value: Any) -> TypeError:
    """What stands behind `await` is nothing to wait for."""
    if sys.version_info >= (3, 14):
        return TypeError(f"'{type(value).__name__}' object can't be awaited")
    return TypeError(f"object {type(value).__name__} can't be used in 'await' expression")


def no_manager(value: Any) -> TypeError:
    """What stands behind `async with` is nothing to enter."""
    what = "object does not support the asynchronous context manager protocol"
    if sys.version_info >= (3, 14):
        return TypeError(f"'{_full_name(type(value))}' {what} (missed __aexit__ method)")
    return TypeError(f"'{type(value).__name__}' {what}")


def _full_name(kind: type[Any]) -> str:
    bare = kind.__module__ in ("builtins", "__main__")
    return kind.__qualname__ if bare else f"{kind.__module__}.{kind.__qualname__}"
