"""What a workflow that compiles is warned of: lints and the flow of types.

A warning is turned off where it stands, by a comment on its first line:
`# waymark: ignore[WM411]`, several codes parted by commas, or `ignore` alone for
all; for a whole workflow by `@workflow(ignore=("WM411",))`. Code of installed
packages is not warned of: who reads the warning cannot change it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from waymark.graph.model import DEFINED

from .catalogue import WARNINGS
from .diagnostics import Diagnostic
from .lints.events import check_events
from .lints.loops import check_loops
from .lints.retries import check_retries
from .lints.scene import Scene
from .lints.suspicious import check_suspicious
from .lints.unreachable import check_unreachable
from .lints.unused import check_unused
from .origin import is_installed
from .reach import Reach
from .source import Source
from .types.flow import check_types
from .types.storing import check_storing

_CHECKS: Final[tuple[Callable[[Scene], None], ...]] = (
    check_unreachable,
    check_loops,
    check_events,
    check_unused,
    check_retries,
    check_suspicious,
    check_types,
    check_storing,
)
_IGNORE: Final = re.compile(r"#\s*waymark:\s*ignore(?:\[([A-Z0-9,\s]*)\])?")


def warnings_of(reach: Reach) -> list[Diagnostic]:
    """Everything that is likely a mistake in the functions that were compiled."""
    found: list[Diagnostic] = []
    for pending in reach.queue:
        source = reach.sources[pending.name]
        ours = pending.name.startswith(DEFINED)
        if ours or is_installed(source.path):
            continue
        scene = Scene(source, pending.function, reach.definition.cls, pending.method)
        for check in _CHECKS:
            check(scene)
        found += [warning for warning in scene.found if not _is_ignored(warning, source)]
    ignored = frozenset(reach.definition.ignore)
    return [warning for warning in found if warning.code not in ignored]


def unknown_codes(codes: Iterable[str]) -> list[str]:
    """Those of `codes` that are no warning's, so that nothing could be ignored."""
    return [code for code in codes if code not in WARNINGS]


def _is_ignored(warning: Diagnostic, source: Source) -> bool:
    line = source.lines[warning.line - 1] if warning.line <= len(source.lines) else ""
    comment = _IGNORE.search(line)
    if comment is None:
        return False
    codes = comment.group(1)
    return codes is None or warning.code in re.split(r"[,\s]+", codes.strip())
