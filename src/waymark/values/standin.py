"""Classes for exceptions whose own class this process does not have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

#: Bound of the classes made for one registry; beyond it, the base is used.
_STAND_INS_MAX: Final = 1000

#: Names the attribute of a stand-in that holds its recorded names.
RECORDED: Final = "__waymark_recorded__"


class StandIns:
    """A stand-in has the name of the recorded class and derives from what can
    be found of its hierarchy, so that `except` goes as it would have. The same
    record always gives the same class."""

    def __init__(self, resolve: Callable[[str], type | None]) -> None:
        self._resolve = resolve
        self._made: dict[tuple[str, ...], type[BaseException]] = {}

    def get(self, ref: str, mro: list[str]) -> type[BaseException]:
        bases = self._bases(mro)
        key = (ref, *mro, *(f"{id(base)}" for base in bases))
        found = self._made.get(key)
        if found is None:
            if len(self._made) >= _STAND_INS_MAX:
                return bases[0]
            found = self._made[key] = _make(ref, mro, bases)
        return found

    def _bases(self, mro: list[str]) -> list[type[BaseException]]:
        """The nearest classes of the hierarchy, none a base of another."""
        chosen: list[type[BaseException]] = []
        for ref in mro:
            cls = self._resolve(ref)
            if cls is None or not issubclass(cls, BaseException) or not _is_quiet(cls):
                continue
            if not any(issubclass(other, cls) for other in chosen):
                chosen.append(cls)
        return chosen or [Exception]


def _is_quiet(cls: type) -> bool:
    """Whether a subclass can be made without running anything of the user's."""
    return type(cls) is type and not any(
        "__init_subclass__" in vars(base) for base in cls.__mro__ if base is not object
    )


def _make(ref: str, mro: list[str], bases: list[type[BaseException]]) -> type[BaseException]:
    module, _, qualname = ref.partition(":")
    names: dict[str, Any] = {
        "__module__": module,
        "__qualname__": qualname,
        "__doc__": "Stands in for an exception class that this process does not have.",
        RECORDED: (ref, tuple(mro)),
    }
    name = qualname.rpartition(".")[2]
    try:
        return type(name, tuple(bases), names)
    except TypeError:
        # The layouts of the bases do not go together in this process.
        return type(name, (bases[0],), names)
