"""What of asyncio a graph may name, and what of its objects code may reach.

Three kinds of names. `concurrency`: functions and classes that the engine has
itself, `engine/concurrency`. `definition`: functions that wait, which the
compiler adds to each graph that uses them, written in the workflow language
(`compiler/prelude.py`); `NEEDS` says which a name brings with it. `primitive`: what
those definitions are made of, under `waymark.`; no author has a name for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["concurrency", "definition", "primitive"]

_CONCURRENCY = "gather create_task ensure_future current_task get_running_loop"
_DEFINITIONS = ""
_PRIMITIVES = ""

#: Definitions that a name of asyncio needs in the graph.
NEEDS: Mapping[str, tuple[str, ...]] = {}

#: What a call of gives something to await.
AWAITABLE = frozenset(
    f"asyncio.{name}"
    for name in ("sleep", "gather", "create_task", "ensure_future", "current_task")
)

_FUTURE = "cancel cancelled done exception result"

_METHODS = {
    "Future": f"{_FUTURE} set_exception set_result",
    "Task": f"{_FUTURE} cancelling get_name set_name uncancel",
    "GatheringFuture": _FUTURE,
    "RunLoop": "create_future create_task time",
}

#: The engine's modules whose types are listed here, for `methods.type_key`.
MODULES = frozenset({"future", "loop"})


def paths() -> dict[str, Kind]:
    """Every dotted path, with its kind."""
    found: dict[str, Kind] = {}
    for name in _CONCURRENCY.split():
        found[f"asyncio.{name}"] = "concurrency"
    for name in _DEFINITIONS.split():
        found[f"asyncio.{name}"] = "definition"
    for name in _PRIMITIVES.split():
        found[f"waymark.{name}"] = "primitive"
    return found


def methods() -> dict[str, str]:
    """The methods that code may call, by `type_key`."""
    return {f"waymark.{owner}": names for owner, names in _METHODS.items()}
