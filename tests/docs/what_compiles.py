"""Writes docs/what-compiles.md, from the compiler's own tables and the compiler itself.

    python -m tests.docs.what_compiles

The samples are compiled and sorted by what came of them; everything that is listed by
name is read from the tables that the checker uses.
"""

from __future__ import annotations

import builtins
import re
import sys
import tempfile
import textwrap
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import util
from itertools import groupby
from pathlib import Path

from waymark.authoring.registry import registry
from waymark.cli.collecting import collecting
from waymark.compiler.catalogue import CODES, WARNINGS
from waymark.compiler.report import Report
from waymark.graph.advice import REFUSED_BUILTINS, missing_name
from waymark.graph.operations import ATTRIBUTES, BUILTINS, METHODS, STDLIB

#: A module's head, then under headings the samples, each under words for it.
SAMPLES = Path(__file__).with_name("samples.txt")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "what-compiles.md"

#: A workflow around the lines of one sample.
BODY = """

@workflow
class Sample{number}(Parent):
    async def run(self, order: Order, orders: list[Order], key: str, count: int) -> Any:
{lines}
"""

INTRODUCTION = """\
# What compiles

<!-- Made by `python -m tests.docs.what_compiles` from the compiler's tables; edit those. -->

`run` of a workflow, its helpers and everything else that is compiled are ordinary Python, and
behave as the same code run by asyncio. This page lists what may stand in them, and what may not
yet or not at all, each with the code of its diagnostic. An action's body is never compiled and
may hold anything.

Between two awaits a workflow computes: with values of its own, with constants of the module and
the class (the graph holds frozen copies), and with functions that are known to have no effects.
These are listed below. What is free of effects but not repeatable, such as `datetime.now()`, may
be used as well: its result is recorded once, and used again after a crash.
"""


def written() -> str:
    """The whole page."""
    parts = [
        INTRODUCTION,
        *_samples(),
        "## Builtins\n\n" + _builtins(),
        "## Methods and attributes\n\n" + _methods(),
        "## The standard library\n\n" + _library(),
        "## Recorded once\n\n" + _recorded(),
        "## Codes\n\n" + _codes(),
    ]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def samples() -> tuple[str, dict[str, dict[str, str]]]:
    """The head of their module, and by heading the samples by what they show."""
    head, *groups = re.split(r"^# (.+)\n", SAMPLES.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found: dict[str, dict[str, str]] = {}
    for title, group in zip(groups[::2], groups[1::2], strict=True):
        _, *parts = re.split(r"^## (.+)\n", group, flags=re.MULTILINE)
        bodies = (part.strip("\n") for part in parts[1::2])
        found[title] = dict(zip(parts[::2], bodies, strict=True))
    return head, found


_EXAMPLES = """\
Each stands in `async def run(self, order: Order, orders: list[Order], key: str, count: int)` of a
workflow that inherits from `Parent`, in a module that begins like this:"""


def _samples() -> Iterator[str]:
    head, groups = samples()
    codes = compiled(head, [sample for group in groups.values() for sample in group.values()])
    yield f"## The examples\n\n{_EXAMPLES}\n\n```python\n{head.strip()}\n```"
    refused: list[str] = []
    for title, group in groups.items():
        rows: list[str] = []
        for words, sample in group.items():
            found = codes[sample]
            if found:
                refused.append(f"| {words} | {', '.join(map(_link, found))} |")
            else:
                rows.append(f"{_capital(words)}:\n\n```python\n{sample}\n```\n")
        yield f"## {title}\n\n" + "\n".join(rows)
    yield "## Refused\n\n| | |\n| --- | --- |\n" + "\n".join(refused)


def _capital(words: str) -> str:
    return words[0].upper() + words[1:]


def _link(code: str) -> str:
    return f"[{code}](codes/{code}.md) {CODES[code]}"


def compiled(head: str, samples: Sequence[str]) -> Mapping[str, list[str]]:
    """Each sample with the codes of what the compiler says of it."""
    text, starts = head, dict[int, str]()
    for number, sample in enumerate(samples):
        starts[text.count("\n") + 1] = sample
        text += BODY.format(number=number, lines=textwrap.indent(sample, " " * 8))
    found: dict[str, list[str]] = {sample: [] for sample in samples}
    lines = sorted(starts, reverse=True)
    for diagnostic in _checked(text).diagnostics:
        if diagnostic.severity == "error":
            start = next(line for line in lines if line <= diagnostic.line)
            codes = found[starts[start]]
            if diagnostic.code not in codes:
                codes.append(diagnostic.code)
    return found


def _checked(text: str) -> Report:
    """What a check of a module with this text reports."""
    with registry.isolated(), tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "what_compiles_samples.py"
        path.write_text(text, encoding="utf-8")
        spec = util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[path.stem] = util.module_from_spec(spec)
        try:
            with collecting() as collector:
                spec.loader.exec_module(module)
                for definition in registry.workflows():
                    if definition.cls.__module__ == path.stem:
                        definition.link()
        finally:
            del sys.modules[path.stem]
    return collector.report()


def _quoted(names: Iterable[str]) -> str:
    return " ".join(f"`{name}`" for name in names)


def _builtins() -> str:
    exceptions = [name for name in BUILTINS if _is_exception(name)]
    functions = [name for name in BUILTINS if name not in exceptions]
    rows = [
        f"May be called or named: {_quoted(sorted(functions))}, and every exception of Python.",
        "",
        "| refused | why | instead |",
        "| --- | --- | --- |",
    ]
    for name in sorted(REFUSED_BUILTINS):
        code, fact, fix = missing_name(name)
        rows.append(f"| [`{name}`](codes/{code}.md) | {_cell(fact)} | {_cell(fix)} |")
    return "\n".join(rows)


def _is_exception(name: str) -> bool:
    value = getattr(builtins, name, None)
    return isinstance(value, type) and issubclass(value, BaseException)


def _span(text: str) -> str:
    return f"`{text}`" if text else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


_METHODS = """\
By the type of the value; an f-string is the way to format. On values of your own classes every
public attribute and method may be used; what runs code of yours is recorded once, plain fields are
not. ⏺ marks what is recorded once."""


def _methods() -> str:
    """Types that may do the same stand in one row."""
    rows: dict[tuple[str, str], list[str]] = defaultdict(list)
    for owner in sorted({*METHODS, *ATTRIBUTES}, key=str.lower):
        methods = METHODS.get(owner, {})
        names = sorted(
            f"{name} ⏺" if kind == "recorded" else name for name, kind in methods.items()
        )
        rows[" ".join(names), " ".join(sorted(ATTRIBUTES.get(owner, ())))].append(owner)
    lines = [
        _METHODS,
        "",
        "| type | methods | attributes |",
        "| --- | --- | --- |",
    ]
    lines += [
        f"| {_quoted(map(_type_name, owners))} | {_span(methods)} | {_span(attributes)} |"
        for (methods, attributes), owners in rows.items()
        if methods or attributes
    ]
    return "\n".join(lines)


_LIBRARY = """\
By module. Nothing else of these may be called, and nothing of other modules. ⏺ marks what is
recorded once, ⏲ what reads the run's own clock, which stands still between two awaits. Arguments
that would run foreign code are refused ([WM216](codes/WM216.md))."""


def _type_name(owner: str) -> str:
    """As authors know it: the engine's own classes stand for those of asyncio."""
    name = owner.removeprefix("waymark.")
    inner = name == owner or "." in name
    return owner if inner else _STANDS_FOR.get(name, f"asyncio.{name}")


_STANDS_FOR = {
    "GatheringFuture": "asyncio.gather(…)",
    "RunLoop": "asyncio.get_running_loop()",
}


def _library() -> str:
    lines = [
        _LIBRARY,
        "",
        "| module | functions | classes | constants |",
        "| --- | --- | --- | --- |",
    ]
    inner = ("module", "primitive")  # primitives are named by the compiler alone
    paths = sorted(path for path, operation in STDLIB.items() if operation.kind not in inner)
    for module, group in groupby(sorted(paths, key=_module), key=_module):
        columns: dict[str, list[str]] = {"function": [], "class": [], "constant": []}
        for path in group:
            name, kind = path.removeprefix(f"{module}."), STDLIB[path].kind
            column = kind if kind in ("class", "constant") else "function"
            columns[column].append(name + _MARKS.get(kind, ""))
        cells = (_span(" ".join(names)) for names in columns.values())
        lines.append(f"| `{module}` | {' | '.join(cells)} |")
    return "\n".join(lines)


_MARKS = {"recorded": " ⏺", "clock": " ⏲"}
_MODULES = {path for path, operation in STDLIB.items() if operation.kind == "module"}


def _module(path: str) -> str:
    """The longest module that a path begins with."""
    return max((one for one in _MODULES if path.startswith(f"{one}.")), key=len)


def _recorded() -> str:
    names = sorted(path for path, operation in STDLIB.items() if operation.kind == "recorded")
    methods = sorted(
        f"{owner}.{name}"
        for owner, table in METHODS.items()
        for name, kind in table.items()
        if kind == "recorded"
    )
    return (
        f"{_quoted((*names, *methods))}; making values of your own classes; their properties and"
        " methods; functions marked `@waymark.pure`."
    )


_CODES = """\
Each has a page with a bad and a good example. What has a warning compiles, and is likely a mistake.

| | | |
| --- | --- | --- |"""


def _codes() -> str:
    rows = (
        f"| [{code}](codes/{code}.md) | {name} | {'warning' if code in WARNINGS else ''} |"
        for code, name in CODES.items()
    )
    return "\n".join((_CODES, *rows))


if __name__ == "__main__":
    PAGE.write_text(written(), encoding="utf-8")
