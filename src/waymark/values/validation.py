"""pydantic's ValidationError, which C code makes and no one can subclass."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from .codec import Decoding, Encoding, Lookup, Tree
from .items import checked
from .text import text_of


def validation_error_class() -> type[BaseException] | None:
    """The class, if pydantic is in use."""
    core: Any = sys.modules.get("pydantic_core")
    return None if core is None else core.ValidationError


class ValidationBody:
    """Title and errors; each error as a list of type, location, message, input
    and context (null without)."""

    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    def write(self, value: Any, out: Encoding, kept: Callable[..., Tree]) -> Tree:
        errors = value.errors(include_url=False)
        out.kept.append(errors)
        return [
            value.title,
            *(
                [
                    error["type"],
                    list(error["loc"]),
                    error["msg"],
                    kept(error["input"], out, value),
                    kept(error.get("ctx"), out, value),
                ]
                for error in errors
            ),
        ]

    def read(self, tree: Tree, source: Decoding) -> BaseException:
        title, *lines = checked(tree, list)
        errors = [self._line(*checked(line, list), source=source) for line in lines]
        core: Any = sys.modules["pydantic_core"]
        made: BaseException = core.ValidationError.from_exception_data(text_of(title), errors)
        return made

    def _line(
        self, kind: Any, location: Any, message: Any, given: Any, context: Any, source: Decoding
    ) -> dict[str, Any]:
        core: Any = sys.modules["pydantic_core"]
        decode = self._lookup.anything.decode
        line: dict[str, Any] = {
            "type": text_of(kind),
            "loc": tuple(checked(location, list)),
            "input": decode(given, source),
        }
        found = decode(context, source)
        if found is not None:
            line["ctx"] = found
        if not _gives(core, line, text_of(message)):
            # A user's own kind of error; its text is already filled in.
            text = message.replace("{", "{{").replace("}", "}}")
            line["type"] = core.PydanticCustomError(kind, text, found or None)
        return line


def _gives(core: Any, line: dict[str, Any], message: str) -> bool:
    """Whether pydantic itself makes this message of this kind of error."""
    try:
        made = core.ValidationError.from_exception_data("", [line])
        return bool(made.errors(include_url=False)[0]["msg"] == message)
    except Exception:
        return False
