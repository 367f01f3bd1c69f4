"""Markers of dependencies, our own and FastAPI's.

A parameter is injected when its annotation is `Annotated[T, Depends(f)]` or its
default is `Depends(f)`. FastAPI's own `Depends` says the same and is taken as
it is, so one provider serves endpoints and actions. FastAPI is never imported
for that: its markers exist only where it is loaded already.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from waymark.errors import InjectionError

#: What only a web request has, by the qualified names of the classes.
REQUEST_TYPES = frozenset(
    {
        "starlette.requests.HTTPConnection",
        "starlette.requests.Request",
        "starlette.websockets.WebSocket",
        "starlette.responses.Response",
        "starlette.background.BackgroundTasks",
        "fastapi.security.oauth2.SecurityScopes",
    }
)


@dataclass(frozen=True, slots=True, eq=False)
class Dependency:
    """A marker, in our own form.

    `provider` None means: the annotated class itself. `limit` gives a lock to
    hold while the provider's value is in use.
    """

    provider: Callable[..., Any] | None
    use_cache: bool = True
    limit: Callable[[], AbstractAsyncContextManager[Any]] | None = None


def Depends(  # noqa: N802 - the word FastAPI's users know, for the same thing
    dependency: Callable[..., Any] | None = None, *, use_cache: bool = True
) -> Any:
    """Mark a parameter of an action, or of a dependency, as provided by `dependency`.

    Write `session: Annotated[Session, Depends(get_session)] = waymark.INJECTED`.
    `dependency` may be a function, an async function, a generator or an async
    generator (what follows its `yield` runs when the attempt has ended), a class
    or any callable; sync ones run in the event loop, so they must not block.
    Without it the annotated class is called. Each is called once per attempt,
    unless `use_cache` is False. Typed `Any` so that it may stand as a default.
    """
    if dependency is not None and not callable(dependency):
        raise InjectionError(
            f"Depends({dependency!r}): a dependency is a callable; pass the function itself,"
            " without calling it"
        )
    return Dependency(dependency, use_cache)


class _Injected:
    """The default of an injected parameter, for type checkers and readers.

    An action called as a plain function without this argument would work on the
    default itself; touching it says so.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return (
            "<waymark.INJECTED: provided when a workflow runs the action;"
            " pass it yourself when calling the action directly>"
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise InjectionError(
            f"`.{name}` was read from waymark.INJECTED: the action was called as a plain function,"
            " where nothing is injected. Pass the dependency as an argument."
        )

    def __copy__(self) -> _Injected:
        return self

    def __deepcopy__(self, memo: object) -> _Injected:
        return self

    def __reduce__(self) -> str:
        return "INJECTED"


#: Default of an injected parameter, so that type checkers let callers leave it out.
INJECTED: Any = _Injected()


def dependency_of(parameter: inspect.Parameter, hint: Any, owner: str) -> Dependency | None:
    """The marker on a parameter, None when it has none. `hint` is its resolved
    annotation, `owner` says in messages whose parameter it is."""
    found = [marker for marker in map(_as_dependency, _metadata(hint)) if marker is not None]
    default = _as_dependency(parameter.default)
    if default is not None and found:
        raise InjectionError(
            f"parameter {parameter.name!r} of {owner} has a Depends both in its annotation and as"
            " its default; keep one"
        )
    # Where an alias is annotated again, the outermost marker is meant, which stands last.
    marker = default or (found[-1] if found else None)
    if marker is None or marker.provider is not None:
        return marker
    bare = _bare(hint)
    if not callable(bare) or bare is Any:
        raise InjectionError(
            f"parameter {parameter.name!r} of {owner}: Depends() without a provider calls the"
            f" annotated class, and {bare!r} is none; write Depends(provider)"
        )
    return Dependency(bare, marker.use_cache, marker.limit)


def request_part(parameter: inspect.Parameter, hint: Any) -> str | None:
    """What of a web request the parameter asks for, in words; None for nothing."""
    if any(map(_is_request_marker, (parameter.default, *_metadata(hint)))):
        return "path, query, header, cookie or body"
    bare = _bare(hint)
    members = get_args(bare) if get_origin(bare) in (Union, UnionType) else (bare,)
    if len(members) > 1 and parameter.default is not inspect.Parameter.empty:
        return None  # `request: Request | None = None` says itself that it may do without.
    for member in members:
        if isinstance(member, type) and not REQUEST_TYPES.isdisjoint(_ancestry(member)):
            return member.__name__
    return None


def _metadata(hint: Any) -> tuple[Any, ...]:
    return hint.__metadata__ if get_origin(hint) is Annotated else ()


def _bare(hint: Any) -> Any:
    return hint.__origin__ if get_origin(hint) is Annotated else hint


def _ancestry(kind: type) -> Iterator[str]:
    return (f"{base.__module__}.{base.__qualname__}" for base in kind.__mro__)


def _as_dependency(marker: object) -> Dependency | None:
    if isinstance(marker, Dependency):
        return marker
    params = sys.modules.get("fastapi.params")
    if params is None or not isinstance(marker, params.Depends):
        return None
    fastapi_marker: Any = marker
    return Dependency(
        fastapi_marker.dependency, fastapi_marker.use_cache, _limit_of(fastapi_marker)
    )


def _limit_of(marker: Any) -> Callable[[], AbstractAsyncContextManager[Any]] | None:
    """FastAPI's `max_concurrency`: the marker's own semaphore, so that endpoints
    and actions that share the marker share the limit."""
    if getattr(marker, "max_concurrency", None) is None:
        return None
    limit = getattr(getattr(marker, "_concurrency", None), "get_semaphore", None)
    if limit is None:
        raise InjectionError(
            "this version of FastAPI keeps `max_concurrency` in a way that Waymark does not know;"
            " leave it out of the dependencies of actions"
        )
    return limit  # type: ignore[no-any-return]


def _is_request_marker(marker: object) -> bool:
    """`Query()`, `Header()`, `Body()` and their like: all of `fastapi.params`
    but the dependencies."""
    if _as_dependency(marker) is not None:
        return False
    return any(name.startswith("fastapi.params.") for name in _ancestry(type(marker)))
