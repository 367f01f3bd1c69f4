"""`results/baseline.json`, in the repository: what was measured last, by kind and key."""

from __future__ import annotations

import json
from typing import Any

from .figures import RESULTS

PATH = RESULTS / "baseline.json"


def read() -> dict[str, dict[str, Any]]:
    """Everything that is stored; nothing, if nothing is."""
    found: dict[str, dict[str, Any]] = json.loads(PATH.read_text()) if PATH.exists() else {}
    return found


def store(kind: str, key: str, value: Any) -> None:
    """Put `value` in the place of what was stored under `key`; the rest stays."""
    everything = read()
    everything.setdefault(kind, {})[key] = value
    PATH.write_text(json.dumps(everything, indent=2, sort_keys=True) + "\n", encoding="utf-8")
