"""docs/visualize.md and its pictures show what `visualize` draws."""

from __future__ import annotations

from tests.docs.visualize import ROOT, pages
from waymark.authoring.registry import registry


def test_page_and_pictures_are_up_to_date() -> None:
    """`python -m tests.docs.visualize` writes them anew."""
    with registry.isolated():
        expected = pages()
    for path, content in expected.items():
        assert path.read_text(encoding="utf-8") == content, path.relative_to(ROOT)
