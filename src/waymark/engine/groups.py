"""What `except*` does with exceptions: splits them, and merges what is left.

The rules are CPython 3.13's, on every Python. An exception that is no group is
handled as a group of one; if nothing handles it, it goes on as it was. What the
handlers raise themselves is raised together with what no handler took and what
they raised again; a part that was raised again keeps its place in the group.

The state of one `except*` is a list, `[original, rest, raised]`, so that it waits
like any value: the exception, what of it no handler took so far, and what the
handlers raised.
"""

from __future__ import annotations

from typing import Any, TypeAlias, TypeGuard

#: `[original, rest, raised]`.
Split: TypeAlias = list[Any]

_NO_CLASS = "catching classes that do not inherit from BaseException is not allowed"
_GROUP = "catching ExceptionGroup with except* is not allowed. Use except instead."


def begin(error: BaseException) -> Split:
    """The state before the first handler."""
    return [error, error, []]


def classes_of(types: object) -> tuple[type[BaseException], ...]:
    """The classes of an `except`, which are checked when it is met."""
    classes: tuple[Any, ...] = types if _is_tuple(types) else (types,)
    for cls in classes:
        if not (isinstance(cls, type) and issubclass(cls, BaseException)):
            raise TypeError(_NO_CLASS)
    return classes


def take(split: Split, types: object) -> BaseException | None:
    """The part of what is left that a handler for `types` takes, None if none."""
    classes = classes_of(types)
    if any(issubclass(cls, BaseExceptionGroup) for cls in classes):
        raise TypeError(_GROUP)
    rest: Any = split[1]
    if isinstance(rest, classes):
        split[1] = None
        return rest if _is_group(rest) else BaseExceptionGroup("", (rest,))
    if not _is_group(rest):
        return None
    taken: BaseException | None
    taken, split[1] = rest.split(classes)
    return taken


def remaining(split: Split) -> BaseException | None:
    """What goes on when all handlers are through, None if all was handled."""
    original, rest, raised = split
    ends: list[BaseException] = [*raised, *([] if rest is None else [rest])]
    if not _is_group(original):
        return ends[0] if ends else None
    again = [error for error in ends if _is_part(error, original)]
    new = [error for error in ends if not _is_part(error, original)]
    leaves = {id(leaf) for part in again for leaf in _leaves(part)}

    def is_left(error: BaseException) -> bool:
        return id(error) in leaves

    projected: BaseException | None = original.split(is_left)[0] if leaves else None
    if projected is not None:
        new.append(projected)
    if len(new) > 1:
        return BaseExceptionGroup("", new)
    return new[0] if new else None


def _is_tuple(value: object) -> TypeGuard[tuple[Any, ...]]:
    return isinstance(value, tuple)


def _is_group(error: object) -> bool:
    return isinstance(error, BaseExceptionGroup)


def _is_part(error: BaseException, original: BaseException) -> bool:
    """Whether `error` is a part of `original` that was only raised again: parts
    have what the whole has."""
    return (
        error.__traceback__ is original.__traceback__
        and error.__cause__ is original.__cause__
        and error.__context__ is original.__context__
    )


def _leaves(error: Any) -> list[BaseException]:
    if not _is_group(error):
        return [error]
    return [leaf for inner in error.exceptions for leaf in _leaves(inner)]


class Suppress:
    """`contextlib.suppress` of 3.13: it looks into groups, too."""

    __slots__ = ("types",)

    def __init__(self, *types: Any) -> None:
        self.types = types

    def __enter__(self) -> None:
        return None

    def __exit__(self, cls: Any, error: Any, traceback: object) -> bool:
        if cls is None:
            return False
        if issubclass(cls, self.types):
            return True
        if issubclass(cls, BaseExceptionGroup):
            rest = error.split(self.types)[1]
            if rest is None:
                return True
            raise rest
        return False
