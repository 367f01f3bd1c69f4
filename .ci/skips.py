"""Fail when a test was skipped for a reason that is not on the list.

A skipped test is a promise that nobody checked. This machine has all the parts that the tests
need, so each skip must be explained in `allowed_skips.toml`.

    python .ci/skips.py RESULTS.xml allowed_skips.toml
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from xml.etree import ElementTree as ET


def skipped_tests(results: Path) -> list[tuple[str, str]]:
    """Name and reason of each skipped test in a JUnit file (expected failures are not skips)."""
    cases = ET.parse(results).getroot().iter("testcase")
    return [
        (f"{case.get('classname')}::{case.get('name')}", mark.get("message") or "")
        for case in cases
        for mark in case.iter("skipped")
        if mark.get("type") == "pytest.skip"
    ]


def unexplained(skips: list[tuple[str, str]], patterns: list[str]) -> list[tuple[str, str]]:
    """The skips whose reason matches none of `patterns`."""
    return [
        (name, reason)
        for name, reason in skips
        if not any(re.search(pattern, reason) for pattern in patterns)
    ]


def main(results: str, allowed: str) -> int:
    listed = tomllib.loads(Path(allowed).read_text(encoding="utf-8")).get("allowed", [])
    rest = unexplained(skipped_tests(Path(results)), [entry["reason_matches"] for entry in listed])
    for name, reason in rest:
        print(f"skipped without leave: {name}: {reason}")
    return 1 if rest else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
