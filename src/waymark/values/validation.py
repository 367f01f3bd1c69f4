"""pydantic's ValidationError, which C code makes and no one can subclass."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from .codec import Decoding, Encoding, Tree
from .items import checked
from .text import read_text, text_of, write_text


def validation_error_class() -> type[BaseException] | None:
    """The class, if pydantic is in use."""
    core: Any = sys.modules.get("pydantic_core")
    return None if core is None else core.ValidationError


class ValidationBody:
    """Title and errors; each error as a list of type, location, message, input
    and context (null without)."""

    def write(self, value: Any, out: Encoding, kept: Callable[..., Tree]) -> Tree:
        errors = value.errors(include_url=False)
        out.kept.append(errors)
        return [
            write_text(value.title, out),
            *(
                [
                    error["type"],
                    [write_text(p, out) if type(p) is str else p for p in error["loc"]],
                    write_text(error["msg"], out),
                    kept(error["input"], out, value),
                    kept(error.get("ctx"), out, value),
                ]
                for error in errors
            ),
        ]

    def read(
        self, tree: Tree, source: Decoding, kept_or_lost: Callable[[Tree, Decoding], Any]
    ) -> BaseException:
        def decode(part: Tree) -> Any:
            return kept_or_lost(part, source)

        title, *lines = checked(tree, list)
        errors = [_line(decode, *checked(line, list)) for line in lines]
        core: Any = sys.modules["pydantic_core"]
        made: BaseException = core.ValidationError.from_exception_data(read_text(title), errors)
        made.args = ()  # as validation itself leaves them
        return made


def _line(
    decode: Callable[[Tree], Any],
    kind: Any,
    location: Any,
    message: Any,
    given: Any,
    context: Any,
) -> dict[str, Any]:
    core: Any = sys.modules["pydantic_core"]
    line: dict[str, Any] = {
        "type": text_of(kind),
        "loc": tuple(decode(part) for part in checked(location, list)),
        "input": decode(given),
    }
    found = decode(context)
    if found is not None:
        line["ctx"] = found
    text = read_text(message)
    if not _gives(core, line, text):
        # A user's own kind of error. Its text is already filled in; only a text
        # that itself holds the name of a value in braces could be filled again.
        line["type"] = core.PydanticCustomError(kind, text, found or None)
    return line


def _gives(core: Any, line: dict[str, Any], message: str) -> bool:
    """Whether pydantic itself makes this message of this kind of error."""
    try:
        made = core.ValidationError.from_exception_data("", [line])
        return bool(made.errors(include_url=False)[0]["msg"] == message)
    except Exception:  # noqa: BLE001 - pydantic refuses unknown kinds in several ways
        return False
