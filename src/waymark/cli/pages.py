"""The pages of docs/codes, one for each code of the catalogue."""

from __future__ import annotations

from pathlib import Path

from waymark.errors import WaymarkBug


def pages_dir() -> Path:
    """Where the pages are: in the package once it is installed, beside `src` in a
    working copy."""
    package = Path(__file__).parents[1]
    for directory in (package / "codes", package.parents[1] / "docs" / "codes"):
        if directory.is_dir():
            return directory
    raise WaymarkBug(f"there is no directory of pages beside {package}")


def page(code: str) -> str:
    """The page of a code of the catalogue, as Markdown."""
    return (pages_dir() / f"{code}.md").read_text(encoding="utf-8")
