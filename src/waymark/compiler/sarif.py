"""A report as SARIF 2.1.0, the form in which code scanners exchange results.

Rules are the codes that were found, with their pages as help. Regions count from 1
and exclude their end, as ours do. Paths below the working directory are relative
to `%SRCROOT%`, so that a report means the same on another machine.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .catalogue import CODES, WARNINGS
from .diagnostics import Diagnostic
from .report import Failure, Report, in_words, slashed

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_ROOT = "%SRCROOT%"


def as_sarif(report: Report, page: Callable[[str], str], version: str) -> str:
    """`page` gives the page of a code as Markdown, `version` is Waymark's."""
    codes = sorted({found.code for found in report.diagnostics})
    run = {
        "tool": {
            "driver": {
                "name": "waymark",
                "version": version,
                "rules": [_rule(code, page(code)) for code in codes],
            }
        },
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_ROOT: {"uri": Path.cwd().as_uri() + "/"}},
        "invocations": [
            {
                "executionSuccessful": not report.failures,
                "toolExecutionNotifications": [_notification(one) for one in report.failures],
            }
        ],
        "results": _results(report, codes),
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _rule(code: str, page: str) -> dict[str, Any]:
    name = CODES[code]
    return {
        "id": code,
        "name": "".join(word.capitalize() for word in name.split("-")),
        "shortDescription": {"text": name.replace("-", " ")},
        "defaultConfiguration": {"level": "warning" if code in WARNINGS else "error"},
        "help": {"text": page, "markdown": page},
    }


def _results(report: Report, codes: list[str]) -> list[dict[str, Any]]:
    seen: Counter[str] = Counter()
    results: list[dict[str, Any]] = []
    for found in report.diagnostics:
        fingerprint = _fingerprint(found)
        seen[fingerprint] += 1
        results.append(
            {
                "ruleId": found.code,
                "ruleIndex": codes.index(found.code),
                "level": found.severity,
                "message": {"text": in_words(found)},
                "locations": [_location(found.path, _region(found))],
                "partialFingerprints": {"waymark/v1": f"{fingerprint}:{seen[fingerprint]}"},
            }
        )
    return results


def _fingerprint(found: Diagnostic) -> str:
    """The same when lines above it come or go: what lets a scanner know it again."""
    parts = (found.code, slashed(found.path), found.text.strip(), found.message)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def _region(found: Diagnostic) -> dict[str, int]:
    return {
        "startLine": found.line,
        "startColumn": found.column,
        "endLine": found.end_line,
        "endColumn": found.end_column,
    }


def _location(path: str, region: dict[str, int]) -> dict[str, Any]:
    return {"physicalLocation": {"artifactLocation": _artifact(path), "region": region}}


def _artifact(path: str) -> dict[str, str]:
    shown = Path(slashed(path))
    if shown.is_absolute():
        return {"uri": shown.as_uri()}
    # `as_uri` quotes what a URI must not hold; it takes whole paths only.
    root = Path("/").resolve()
    return {"uri": (root / shown).as_uri().removeprefix(root.as_uri()), "uriBaseId": _ROOT}


def _notification(failure: Failure) -> dict[str, Any]:
    return {
        "level": "error",
        "message": {"text": f"{failure.what}: {failure.message}"},
        "locations": [_location(failure.path, {"startLine": failure.line})],
    }
