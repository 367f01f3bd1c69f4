"""Annotations of what has to be stored and never can be.

Arguments and results of actions and runs are stored. A file, a lock, a generator
or a database session among them fails in every run, when the value is to be
written; the annotation says so before. Only classes are named of which that is
certain; whatever else the annotation may mean is left to the run.
"""

from __future__ import annotations

import ast
import functools
import io
import types
import typing
from collections import abc
from collections.abc import Iterator, Mapping
from inspect import isabstract
from typing import Any, Final

from waymark.authoring.action import Action
from waymark.graph.trees import walk
from waymark.values import TypeRegistry
from waymark.values.codec import Refusal
from waymark.values.forms import is_data
from waymark.values.hints import members, unwrapped

from ..lints.scene import Scene
from .annotations import fields_of, hints_of_function
from .lattice import with_article

#: How deep fields are followed.
_DEPTH_MAX: Final = 6

_LIVE: Final[tuple[type, ...]] = (
    io.IOBase,
    typing.IO,
    types.GeneratorType,
    types.AsyncGeneratorType,
    types.CoroutineType,
    types.ModuleType,
    types.TracebackType,
    memoryview,
)
#: Abstract names for the same.
_LIVE_ABSTRACT: Final[tuple[Any, ...]] = (
    abc.Generator,
    abc.AsyncGenerator,
    abc.AsyncIterator,
    abc.Coroutine,
)

#: Classes of libraries that hold a connection or belong to a process, by the first
#: part of their module and their own name.
_LIVE_NAMES: Final = frozenset(
    {
        *(("_thread", name) for name in ("lock", "RLock")),
        *(("threading", name) for name in ("Lock", "Thread", "Event", "Condition", "Semaphore")),
        *(("asyncio", name) for name in ("Lock", "Event", "Semaphore", "Queue", "Task", "Future")),
        *(("socket", name) for name in ("socket",)),
        *(("concurrent", name) for name in ("Executor", "Future")),
        *(("sqlalchemy", name) for name in ("Session", "AsyncSession", "Engine", "AsyncEngine")),
        *(("sqlalchemy", name) for name in ("Connection", "AsyncConnection")),
        *(("sqlite3", name) for name in ("Connection", "Cursor")),
        *(("asyncpg", name) for name in ("Connection", "Pool", "Record")),
        *(("psycopg", name) for name in ("Connection", "AsyncConnection", "Cursor")),
        *(("httpx", name) for name in ("Client", "AsyncClient")),
        *(("requests", name) for name in ("Session",)),
        *(("aiohttp", name) for name in ("ClientSession",)),
        *(("redis", name) for name in ("Redis",)),
        *(("starlette", name) for name in ("Request", "WebSocket")),
    }
)


def check_storing(scene: Scene) -> None:
    """Report what `run` and the actions of a function declare and cannot store."""
    seen: set[str] = set()
    for node in scene.of(ast.Call):
        live = scene.live(node.func)
        if isinstance(live, Action) and live.name not in seen:
            seen.add(live.name)
            names = {"return", *live.signature.parameters}
            hints = {name: hint for name, hint in live.hints.items() if name in names}
            _declared(scene, dict.fromkeys(hints, node.func), hints, ast.unparse(node.func))
    if scene.method and scene.definition.name == "run":
        _declared(scene, _places(scene), hints_of_function(scene.function), "run")


def _places(scene: Scene) -> dict[str, ast.AST]:
    """Where a function's annotations stand."""
    found: dict[str, ast.AST] = {
        argument.arg: argument
        for argument in walk(scene.definition.args)
        if isinstance(argument, ast.arg)
    }
    if scene.definition.returns is not None:
        found["return"] = scene.definition.returns
    return found


def _declared(
    scene: Scene, places: Mapping[str, ast.AST], hints: Mapping[str, Any], function: str
) -> None:
    for name, hint in hints.items():
        root = "result" if name == "return" else name
        found = next(_unstorable(hint, root, 0), None)
        if found is None or name not in places:
            continue
        path, cls = found
        scene.report(
            places[name],
            "WM413",
            f"`{path}` of `{function}` is {with_article(cls.__qualname__)}, which cannot be stored",
            "pass plain data (a model, a key, a path), and open it inside the action, or let"
            " `Depends` provide it",
        )


def _unstorable(annotation: Any, path: str, depth: int) -> Iterator[tuple[str, type]]:
    """Paths to what cannot be stored, and what it is."""
    if depth > _DEPTH_MAX:
        return
    for part in members(annotation):
        origin = typing.get_origin(part)
        if isinstance(origin, type) and origin not in _LIVE_ABSTRACT:
            for argument in typing.get_args(part):
                yield from _unstorable(unwrapped(argument), f"{path}[]", depth + 1)
        cls: Any = origin or part
        if not isinstance(cls, type):
            continue
        if _never_stored(cls):
            yield path, cls
        elif is_data(cls) or typing.is_typeddict(cls):
            for name in _field_names(cls):
                hint = fields_of(cls).get(name, Any)
                yield from _unstorable(hint, f"{path}.{name}", depth + 1)


def _field_names(cls: Any) -> list[str]:
    for attribute in ("__dataclass_fields__", "__pydantic_fields__", "_fields"):
        if hasattr(cls, attribute):
            return list(getattr(cls, attribute))
    return list(fields_of(cls)) if typing.is_typeddict(cls) else []


@functools.lru_cache(maxsize=512)
def _never_stored(cls: Any) -> bool:
    if cls in _LIVE_ABSTRACT:
        return True
    if cls.__module__ in ("builtins", "typing", "collections.abc", "abc"):
        return issubclass(cls, _LIVE)
    named = {(base.__module__.partition(".")[0], base.__name__) for base in cls.__mro__}
    if issubclass(cls, _LIVE) or named & _LIVE_NAMES:
        return True
    if is_data(cls) or isabstract(cls) or getattr(cls, "_is_protocol", False):
        return False
    known = TypeRegistry()
    known.add(cls)
    try:
        known.forms.form_of(cls)
    except Refusal:
        return bool(cls.__module__ != "pydantic.main")
    return False
