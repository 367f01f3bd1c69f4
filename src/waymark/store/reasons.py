"""A reason for people, in a form that every store can keep as text."""

from __future__ import annotations


def readable_reason(reason: str | bytes) -> str:
    """`reason` with what Postgres' `text` cannot hold (NUL, lone surrogates,
    bytes that are no UTF-8) written as escapes. A reason explains why a run
    stands still; it must never itself be refused."""
    if isinstance(reason, bytes):
        reason = reason.decode("utf-8", "backslashreplace")
    reason = reason.encode("utf-8", "backslashreplace").decode("utf-8")
    return reason.replace("\x00", "\\x00")
