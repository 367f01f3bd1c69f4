"""Every diagnostic code. A code is never reused (WM501 was one); its name says the bad
pattern.

WM1xx syntax, WM2xx names and calls, WM3xx control flow and concurrency, WM4xx
values and types, WM5xx policies and options, WM9xx a bug of ours.
"""

from __future__ import annotations

from collections.abc import Mapping

#: Code -> name.
CODES: Mapping[str, str] = {
    "WM101": "source-not-found",
    "WM102": "source-changed",
    "WM104": "import-in-body",
    "WM105": "write-to-outer-scope",
    "WM106": "yield-in-body",
    "WM107": "class-in-body",
    "WM108": "syntax-not-supported-yet",
    "WM109": "reserved-name",
    "WM110": "async-iteration",
    "WM111": "async-with",
    "WM113": "with-statement",
    "WM114": "decorated-method",
    "WM201": "unknown-name",
    "WM202": "builtin-not-pure",
    "WM203": "private-attribute",
    "WM204": "call-not-known-pure",
    "WM205": "wrong-arguments",
    "WM206": "call-never-awaited",
    "WM207": "library-function-not-pure",
    "WM208": "live-object",
    "WM209": "constant-from-outside",
    "WM210": "constant-mutated",
    "WM211": "template-not-literal",
    "WM212": "unknown-workflow-attribute",
    "WM213": "write-to-shared-state",
    "WM215": "module-as-value",
    "WM216": "operation-misused",
    "WM217": "self-as-value",
    "WM218": "class-not-storable",
    "WM220": "member-not-supported",
    "WM221": "generator-function",
    "WM222": "super-not-followed",
    "WM223": "special-method-on-workflow",
    "WM224": "decorated-local-function",
    "WM301": "await-of-something-else",
    "WM302": "endless-loop",
    "WM303": "concurrency-not-supported-yet",
    "WM306": "await-in-generator",
    "WM310": "unreachable-code",
    "WM311": "unreachable-except",
    "WM312": "loop-without-end",
    "WM313": "condition-never-changes",
    "WM314": "event-wait-without-timeout",
    "WM315": "retry-of-unrepeatable",
    "WM316": "errors-thrown-away",
    "WM317": "task-never-begins",
    "WM318": "cancellation-swallowed",
    "WM340": "done-callback",
    "WM370": "child-made-with-arguments",
    "WM371": "workflow-not-decorated",
    "WM372": "run-apart",
    "WM401": "held-across-await",
    "WM402": "constant-not-storable",
    "WM403": "default-not-storable",
    "WM410": "wrong-type",
    "WM411": "none-not-checked",
    "WM412": "attribute-not-declared",
    "WM413": "type-not-storable",
    "WM414": "error-not-checked",
    "WM415": "value-thrown-away",
    "WM416": "identity-of-values",
    "WM417": "default-changed",
    "WM418": "await-missing",
    "WM502": "run-action-of-something-else",
    "WM503": "policy-that-cannot-apply",
    "WM504": "unknown-option",
    "WM901": "compiler-bug",
}

#: Where the codes of warnings stand, which never stop a registration.
_WARNING_RANGES = (("WM310", "WM339"), ("WM410", "WM449"))

#: Codes of what compiles and is likely a mistake.
WARNINGS: frozenset[str] = frozenset(
    code for code in CODES if any(low <= code <= high for low, high in _WARNING_RANGES)
)
