"""A disabled check names what it disables."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BLANKET = re.compile(r"# (?:noqa(?!:)|type: ignore(?!\[)|pyright: ignore(?!\[))")


def test_no_blanket_ignores() -> None:
    """A blanket ignore also hides the mistake that comes next year."""
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sorted((ROOT / "src").rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if BLANKET.search(line)
    ]

    assert found == []
