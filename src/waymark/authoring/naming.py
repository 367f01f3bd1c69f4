"""Names under which functions and classes are registered, and where they stand."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from waymark.errors import RegistrationError


def module_name(module: str) -> str:
    """The name by which other processes import `module`.

    `python -m app.worker` runs `app.worker` under the name `__main__`; its spec
    still knows the real one. A script or a notebook has no other name, and
    keeps `__main__`.
    """
    if module != "__main__":
        return module
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    name = getattr(spec, "name", None)
    return name if isinstance(name, str) else module


def registered_name(authored: Callable[..., Any] | type) -> str:
    """`module:qualname` of a function or a class."""
    return f"{module_name(authored.__module__)}:{authored.__qualname__}"


def checked_name(name: object, word: str) -> str:
    """`name` as given by a user for a `word` ("action", "workflow").

    Raises RegistrationError for what no row or message could show well.
    """
    if not isinstance(name, str):
        raise RegistrationError(f"{word} name {name!r} is no text; give a string")
    if not name or name != name.strip() or not name.isprintable():
        raise RegistrationError(
            f"{word} name {name!r} is empty, or has spaces around it or characters that cannot"
            " be printed; give a plain one such as 'users:fetch'"
        )
    return name


#: What a queue may be called: it stands in lists parted by commas.
_QUEUE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:-]{0,62}")


def queue_problem(queue: object) -> str | None:
    """Why something is no name of a queue; None when it is one."""
    if isinstance(queue, str) and _QUEUE.fullmatch(queue):
        return None
    return (
        "a queue is named by letters, digits and any of _ . : - (at most 63, beginning with a"
        " letter, digit or _), such as 'gpu'"
    )


def checked_queue(queue: object) -> str:
    """`queue=` of an action. Raises RegistrationError for what is no name of a queue."""
    problem = queue_problem(queue)
    if problem is not None:
        raise RegistrationError(f"@action(queue={queue!r}): {problem}")
    return str(queue)


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was defined. Two definitions at one `Place` are one and
    the same thing, defined again (a reloaded module, a notebook cell run twice);
    line numbers may differ between the two, so they do not count."""

    path: str
    module: str
    qualname: str

    def redefines(self, other: Place) -> bool:
        """Whether this is `other` once more. One file may be known under two
        module names, when a script is also imported."""
        if self.qualname != other.qualname:
            return False
        return self.module == other.module or (self.path == other.path and self.path[:1] != "<")

    def __str__(self) -> str:
        return f"{self.module}:{self.qualname} ({self.path})"


def place_of(authored: Callable[..., Any] | type) -> Place:
    """The place of a function or a class, without reading any source."""
    module = module_name(authored.__module__)
    if isinstance(authored, type):
        loaded = sys.modules.get(authored.__module__)
        path = getattr(loaded, "__file__", None) or f"<{module}>"
    else:
        code = getattr(inspect.unwrap(authored), "__code__", None)
        path = code.co_filename if code is not None else f"<{module}>"
    return Place(path, module, authored.__qualname__)
