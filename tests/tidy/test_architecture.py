"""ARCHITECTURE.md finds every part, and names nothing that is gone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
WORDS = "run, action call, attempt, effect, outcome, journal, node, graph, worker, lease, fence"


def named_paths() -> list[str]:
    """What the page says in backquotes that looks like a path."""
    return sorted(set(re.findall(r"`([\w./-]+/[\w./-]*)`", PAGE)))


def exists(name: str) -> bool:
    """From the root of the repository, or within the package."""
    return (ROOT / name).exists() or (ROOT / "src" / "waymark" / name).exists()


def test_every_named_path_exists() -> None:
    """A newcomer who follows the map arrives."""
    assert len(named_paths()) > 10
    assert [name for name in named_paths() if not exists(name)] == []


def test_every_part_of_the_package_is_on_the_map() -> None:
    """Each package and module directly under `waymark` is named."""
    source = ROOT / "src" / "waymark"
    packages = [path.name for path in source.iterdir() if (path / "__init__.py").exists()]
    modules = [path.name for path in source.glob("*.py")]

    missing = [name for name in packages if f"src/waymark/{name}/" not in PAGE]
    missing += [name for name in modules if f"src/waymark/{name}`" not in PAGE]

    assert missing == []


@pytest.mark.parametrize("word", WORDS.split(", "))
def test_glossary_gives_each_word_one_meaning(word: str) -> None:
    """The words of the field stand in the glossary, once each."""
    assert len(re.findall(rf"^\| {word} \|", PAGE, flags=re.MULTILINE)) == 1
