"""Each code of the catalogue has a page, whose examples do what the page says."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from waymark.authoring.registry import registry
from waymark.cli.collecting import collecting
from waymark.compiler.catalogue import CODES

PAGES = Path(__file__).resolve().parents[2] / "docs" / "codes"
#: Codes that no program can show, with the reason.
WITHOUT_EXAMPLES = {"WM901": "a bug of ours, which would be mended"}
#: Syntax of a later Python than the oldest that is supported.
SINCE = {"WM108": (3, 12)}


def text_of(code: str) -> str:
    path = PAGES / f"{code}.md"
    assert path.exists(), f"docs/codes/{code}.md is missing: write the page of {CODES[code]}"
    return path.read_text(encoding="utf-8")


def found_in(code: str, kind: str, directory: Path) -> list[tuple[str, str]]:
    """Code and severity of everything that the page's example earns, and the example
    is a module of its own."""
    section = text_of(code).partition(f"## {kind}\n")[2].partition("\n## ")[0]
    blocks = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)
    assert len(blocks) == 1, f"docs/codes/{code}.md: `## {kind}` has one python block"
    name = f"page_{code.lower()}_{kind.lower()}"
    path = directory / f"{name}.py"
    path.write_text(blocks[0], encoding="utf-8")
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        with collecting() as collector:
            spec.loader.exec_module(module)
            for action in registry.actions():
                action.link()
            for definition in registry.workflows():
                definition.link()
    finally:
        del sys.modules[name]
    report = collector.report()
    assert report.workflows, f"docs/codes/{code}.md: `## {kind}` defines a workflow"
    return [(found.code, found.severity) for found in report.diagnostics]


@pytest.fixture(autouse=True)
def only_the_page() -> Iterator[None]:
    with registry.isolated():
        for name in ("_actions", "_workflows"):
            getattr(registry, name).clear()
        yield


def test_every_page_is_of_a_code() -> None:
    """A code that is gone takes its page along."""
    stems = {path.stem for path in PAGES.glob("WM*.md")}

    assert sorted(stems - set(CODES)) == []
    assert sorted(set(CODES) - stems) == [], "these codes have no page in docs/codes yet"


@pytest.mark.parametrize("code", CODES)
def test_page_has_its_form(code: str) -> None:
    """Title, an explanation in words, and the two examples."""
    title, _, rest = text_of(code).partition("\n\n")

    assert title == f"# {code} {CODES[code]}"
    assert len(rest.partition("\n## ")[0].split()) > 10
    headings = re.findall(r"^## (.*)$", rest, flags=re.MULTILINE)
    assert headings == ([] if code in WITHOUT_EXAMPLES else ["Bad", "Good"])


@pytest.mark.parametrize("code", [code for code in CODES if code not in WITHOUT_EXAMPLES])
def test_bad_earns_the_code_and_good_nothing(code: str, tmp_path: Path) -> None:
    """Exactly this code, at least once; and nothing at all, not even a warning."""
    if sys.version_info >= SINCE.get(code, (3, 11)):
        assert {one for one, _ in found_in(code, "Bad", tmp_path)} == {code}
    registry._workflows.clear()
    assert found_in(code, "Good", tmp_path) == []


def test_links_lead_somewhere() -> None:
    """From page to page, also from those above them."""
    for path in (*PAGES.glob("*.md"), *PAGES.parent.glob("*.md")):
        for link in re.findall(r"\]\((?!https?:)([^)#]+)", path.read_text(encoding="utf-8")):
            assert (path.parent / link).exists(), f"{path.name}: {link}"
