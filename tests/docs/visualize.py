"""Writes docs/visualize.md and its pictures, from workflows that are compiled for it.

python -m tests.docs.visualize
"""

from __future__ import annotations

import linecache
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import waymark
from waymark.authoring.registry import registry

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "visualize.md"
PICTURES = ROOT / "docs" / "pictures"
ORDER = Path(__file__).with_name("order.txt")

#: The page, with places for what is drawn.
TEXT = Path(__file__).with_name("visualize.txt")


def pages() -> dict[Path, str]:
    """What each of the files has to hold."""
    welcome, order = _welcome(), _defined(ORDER.read_text(encoding="utf-8"), "order", {})
    page = TEXT.read_text(encoding="utf-8").format(
        mermaid=welcome.visualize("mermaid"),
        text=welcome.visualize(),
        source=ORDER.read_text(encoding="utf-8"),
    )
    return {
        PAGE: page,
        PICTURES / "welcome.svg": str(welcome.visualize("svg")),
        PICTURES / "order.svg": str(order.visualize("svg")),
    }


def _welcome() -> type[waymark.Workflow]:
    """The workflow of the README, its lines counted from the example's first."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    models, example, *_ = re.findall(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    known: dict[str, Any] = {}
    exec(models, known)
    return _defined(example, "welcome", known)


def _defined(source: str, name: str, known: dict[str, Any]) -> type[waymark.Workflow]:
    """The workflow of a module with this source."""
    path = f"<{name}>"
    linecache.cache[path] = (len(source), None, source.splitlines(keepends=True), path)
    module = sys.modules[name] = ModuleType(name)
    vars(module).update({key: value for key, value in known.items() if key[:1] != "_"})
    exec(compile(source, path, "exec"), vars(module))
    found = [each for each in vars(module).values() if hasattr(each, "__waymark__")]
    del sys.modules[name]
    workflow: type[waymark.Workflow] = next(each for each in found if isinstance(each, type))
    return workflow


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    with registry.isolated():
        for target, content in pages().items():
            target.write_text(content, encoding="utf-8")
