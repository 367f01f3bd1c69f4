"""Code as words of a picture: on one line, wrapped, clipped, measured."""

from __future__ import annotations

import io
import re
import tokenize
import unicodedata
from contextlib import suppress

#: What no picture may hold: control characters (XML refuses most of them), halves
#: of surrogate pairs, and marks that reorder text, so that code could look like other code.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]"
)


def clean(text: str) -> str:
    """`text` with what cannot be shown replaced by U+FFFD."""
    return _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", text)


def columns(text: str) -> int:
    """How many columns of a monospaced font `text` takes, roughly for what such
    fonts do not hold."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def clipped(text: str, width: int) -> str:
    """At most `width` columns of `text`."""
    if columns(text) <= width:
        return text
    kept: list[str] = []
    room = width - 1
    for character in text:
        room -= _columns(character)
        if room < 0:
            break
        kept.append(character)
    return "".join(kept).rstrip() + "…"


def one_line(text: str) -> str:
    """A piece of code on one line, without its comments: brackets are closed up."""
    joined = ""
    for line in filter(None, map(str.strip, without_comments(text).split("\n"))):
        part = line[:-1].rstrip() if line.endswith("\\") else line
        if not joined or joined[-1] in "([{":
            joined += part
        elif part[0] in ")]}":
            joined = joined.rstrip(",") + part
        else:
            joined += " " + part
    return clean(joined)


def flat(text: str) -> str:
    """Several statements on one line."""
    return re.sub(r"\n\s*", "; ", text).replace(":; ", ": ")


def without_comments(text: str) -> str:
    """Code whose comments are gone."""
    if "#" not in text:
        return text
    lines = text.split("\n")
    for row, column in _comments(text):
        lines[row] = lines[row][:column].rstrip()
    return "\n".join(lines)


def _comments(text: str) -> list[tuple[int, int]]:
    """Row and column of each comment. In brackets, a piece of any statement is
    cut into tokens; one that ends too early has given its comments by then."""
    found: list[tuple[int, int]] = []
    tokens = tokenize.generate_tokens(io.StringIO(f"(\n{text}\n)").readline)
    with suppress(tokenize.TokenError, SyntaxError):
        found.extend(
            (token.start[0] - 2, token.start[1])
            for token in tokens
            if token.type == tokenize.COMMENT
        )
    return found
