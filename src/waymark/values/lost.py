"""What stands for an exception's attribute that could not be stored."""

from __future__ import annotations

from typing import Any, NoReturn, cast

from ..errors import LostAttributeError
from .codec import Decoding, Encoding, Tree
from .text import read_text, write_text


class LostAttribute:
    """Raises LostAttributeError when anything is done with it. Only `repr` and
    `type` work, so that a debugger can show it."""

    __slots__ = ("_problem",)
    _problem: str

    def __init__(self, problem: str) -> None:
        object.__setattr__(self, "_problem", problem)

    def __repr__(self) -> str:
        return f"<lost: {problem_of(self)}>"

    def __getattribute__(self, name: str) -> Any:
        _raise(self)

    def __setattr__(self, name: str, value: object) -> None:
        _raise(self)

    def __call__(self, *_: object, **__: object) -> NoReturn:
        _raise(self)

    def __eq__(self, other: object) -> bool:
        _raise(self)

    def __bool__(self) -> bool:  # noqa: PLE0304 - it never returns
        _raise(self)

    def __str__(self) -> str:
        # Part of the text of an exception whose argument was lost, so it works.
        return repr(self)

    def __iter__(self) -> Any:
        _raise(self)

    def __len__(self) -> int:  # noqa: PLE0303 - the same
        _raise(self)

    def __getitem__(self, key: object) -> Any:
        _raise(self)

    def __contains__(self, item: object) -> bool:
        _raise(self)

    def __lt__(self, other: object) -> bool:
        _raise(self)

    def __add__(self, other: object) -> Any:
        _raise(self)

    def __hash__(self) -> int:
        return object.__hash__(self)


def problem_of(value: LostAttribute) -> str:
    return cast("str", object.__getattribute__(value, "_problem"))


def _raise(value: LostAttribute) -> NoReturn:
    raise LostAttributeError(
        f"this attribute was lost when the exception was stored: {problem_of(value)}. "
        "Put plain data on the exception instead"
    )


class LostForm:
    """A lost attribute stays lost when the exception is stored once more."""

    tag, shapes, tracked = "lost", (str,), False

    def write(self, value: LostAttribute, out: Encoding) -> Tree:
        return write_text(problem_of(value), out)

    def read(self, tree: Tree, source: Decoding, number: int | None) -> LostAttribute:
        return LostAttribute(read_text(tree))
