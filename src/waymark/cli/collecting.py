"""Importing modules and compiling their workflows, noting what is wrong.

The decorator raises at the first workflow that does not compile, which ends the
import of its module. Here another compiler stands in the decorators' hook: it
keeps the diagnostics and lets the import go on, so that all of a project's are
found at once.
"""

from __future__ import annotations

import importlib
import inspect
import linecache
import os
import sys
import sysconfig
import traceback
from collections.abc import Generator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from pathlib import Path
from types import FrameType, ModuleType

from waymark.authoring import hooks
from waymark.authoring.hooks import Compiled
from waymark.authoring.naming import place_of
from waymark.authoring.registry import registry
from waymark.authoring.workflow import WorkflowDefinition
from waymark.compiler import Diagnostic, compile_workflow
from waymark.compiler.report import Failure, Report, source_order
from waymark.errors import RegistrationError, WaymarkError, WorkflowCompileError

from .targets import Target, find_targets

_WAYMARK = Path(__file__).parents[1]
_NO_CODE = compile("", "", "exec")


class Collector:
    """A compiler for the hook of `@workflow` that never refuses."""

    def __init__(self) -> None:
        self.failures: list[Failure] = []
        self._found: dict[WorkflowDefinition, Sequence[Diagnostic]] = {}

    def compile(self, definition: WorkflowDefinition, final: bool) -> Compiled:
        """What was found the last time counts: linking finds all that decorating
        found, and the names that never got a meaning."""
        try:
            compiled = compile_workflow(definition, final)
        except WorkflowCompileError as error:
            self._found[definition] = error.diagnostics
            return Compiled(None)
        self._found[definition] = compiled.warnings
        return replace(compiled, warnings=())

    def refused(self, error: RegistrationError, frame: FrameType) -> None:
        """A class that cannot be a workflow at all; its module goes on."""
        what, path, line = (
            "this workflow cannot be registered",
            frame.f_code.co_filename,
            frame.f_lineno,
        )
        self.failures.append(Failure(what, str(error), path, line, _line_of(path, line)))

    def report(self) -> Report:
        diagnostics = source_order(one for found in self._found.values() for one in found)
        return Report(diagnostics, tuple(self.failures), len(self._found))


def check_targets(names: Sequence[str], exclude: Sequence[str] = ()) -> Report:
    """Import the modules behind `names`, link every workflow that this registered,
    and report. Raises TargetError."""
    with collecting() as collector:
        sys.path.insert(0, str(Path.cwd()))
        for target in find_targets(names, exclude):
            _import(target, collector)
        _link(collector)
    return collector.report()


@contextmanager
def collecting() -> Generator[Collector, None, None]:
    """What is decorated inside is noted, and never raises."""
    collector = Collector()
    before = hooks.compiler, hooks.refused
    hooks.compiler, hooks.refused = collector.compile, collector.refused
    # What modules print while they are imported is no part of the report.
    try:
        with redirect_stdout(sys.stderr):
            yield collector
    finally:
        hooks.compiler, hooks.refused = before


def _import(target: Target, collector: Collector) -> None:
    if target.path and _is_loaded(target.path):
        return
    if target.root and target.root not in sys.path:
        sys.path.insert(0, target.root)
    what = f"{target.module} cannot be imported"
    taken = _taken(target)
    if taken:
        collector.failures.append(Failure(what, taken, target.path, 1))
        return
    try:
        module = importlib.import_module(target.module)
    except KeyboardInterrupt:
        raise
    # Whatever the author's code raises: `SystemExit`, or what pytest skips a module by.
    except BaseException as error:  # noqa: BLE001 - the others are to be checked all the same
        collector.failures.append(_failure(what, error, target.path))
        return
    if target.path and not _is_file(module, target.path):
        collector.failures.append(Failure(what, _name_is_taken(module), target.path, 1))


def _taken(target: Target) -> str:
    """Why another package keeps this one's modules from being found: two projects
    below one directory may each have a package `tests`."""
    top, _, inner = target.module.partition(".")
    holder = sys.modules.get(top)
    if not inner or not target.path or holder is None:
        return ""
    places = [Path(place).resolve() for place in getattr(holder, "__path__", ())]
    found = any(Path(target.path).is_relative_to(place) for place in places)
    return "" if found else _name_is_taken(holder)


def _name_is_taken(module: ModuleType) -> str:
    return (
        f"another module has the name {module.__name__}: {module!r}\n"
        "check the two one after the other, or `--exclude` one"
    )


def _is_loaded(path: str) -> bool:
    """Whether another module has imported this file, perhaps under another name."""
    return any(_is_file(module, path) for module in [*sys.modules.values()])


def _is_file(module: ModuleType, path: str) -> bool:
    file = getattr(module, "__file__", None)
    if not isinstance(file, str) or Path(file).name != Path(path).name:
        return False
    return os.path.realpath(file) == os.path.realpath(path)


def _link(collector: Collector) -> None:
    for action in registry.actions():
        try:
            action.link()
        except WaymarkError as error:
            what = f"{action.name} cannot be used"
            path = place_of(action.function).path
            line = getattr(inspect.unwrap(action.function), "__code__", _NO_CODE).co_firstlineno
            text = linecache.getline(path, line).rstrip("\n")
            collector.failures.append(Failure(what, str(error), path, line, text))
    for definition in registry.workflows():
        definition.link()


def _line_of(path: str, line: int) -> str:
    return linecache.getline(path, line).rstrip("\n")


def _failure(what: str, error: BaseException, path: str) -> Failure:
    """`error` with the author's own line that led to it."""
    message = "".join(traceback.format_exception_only(error)).strip()
    if isinstance(error, SyntaxError) and error.filename:
        text = (error.text or "").rstrip("\n")
        return Failure(what, error.msg, error.filename, error.lineno or 1, text)
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if _is_own(frame.filename)
    ]
    if not frames:
        return Failure(what, message, path, 1)
    last = frames[-1]
    return Failure(what, message, last.filename, last.lineno or 1, last.line or "")


def _is_own(path: str) -> bool:
    """Whether a frame is of the author's code, not of Python, a library or Waymark."""
    if path.startswith("<"):
        return False
    foreign = [_WAYMARK, *(Path(sysconfig.get_path(kind)) for kind in ("purelib", "platlib"))]
    standard = Path(sysconfig.get_path("stdlib"))
    return not any(Path(path).is_relative_to(place) for place in (*foreign, standard))
