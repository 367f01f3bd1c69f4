"""Which modules a check imports, and under which names.

Importing runs code, so a directory's files are read first, and only those that
define a workflow at their top are imported; a file or module that is named is
imported whatever it holds.

A file is imported under the name that the rest of its project uses: from the
first directory above it that is no package. A file outside of any package gets the
dotted path from the nearest root (the working directory, its `src`, `sys.path`).
"""

from __future__ import annotations

import ast
import fnmatch
import importlib.util
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

#: Directories that hold no code of the project itself.
_FOREIGN = frozenset({"__pycache__", "build", "dist", "node_modules", "site-packages"})


class TargetError(Exception):
    """What was named is neither a path nor a module."""


@dataclass(frozen=True, slots=True)
class Target:
    """A module to import. `root` joins the path of imports; `path` is empty for a
    module that was named as such and has no file."""

    module: str
    path: str = ""
    root: str = ""


def find_targets(names: Sequence[str], exclude: Sequence[str] = ()) -> list[Target]:
    """The modules behind paths and dotted names, each once. Raises TargetError.
    A dotted name imports the packages above it."""
    found: dict[Target, None] = {}
    for name in names:
        path = Path(name)
        if path.is_dir():
            targets = _in_directory(path.resolve(), exclude)
        elif path.is_file():
            targets = iter([target_of(path.resolve())])
        else:
            targets = _in_module(name, exclude)
        found.update(dict.fromkeys(targets))
    return list(found)


def _in_directory(directory: Path, exclude: Sequence[str]) -> Iterator[Target]:
    for path in _files(directory, directory, exclude):
        if defines_workflow(path):
            yield target_of(path)


def _files(directory: Path, top: Path, exclude: Sequence[str]) -> Iterator[Path]:
    """The Python files of the project below `directory`, in order of their names."""
    for path in sorted(directory.iterdir()):
        if path.name.startswith(".") or path.name in _FOREIGN or _excluded(path, top, exclude):
            continue
        if path.is_dir():
            environment = (path / "pyvenv.cfg").exists()
            if not environment and not path.is_symlink():
                yield from _files(path, top, exclude)
        elif path.suffix == ".py":
            yield path


def _excluded(path: Path, top: Path, exclude: Sequence[str]) -> bool:
    """Whether a pattern names `path` itself, or its place below the directory."""
    place = path.relative_to(top).as_posix()
    return any(fnmatch.fnmatch(one, pattern) for pattern in exclude for one in (path.name, place))


def _in_module(name: str, exclude: Sequence[str]) -> Iterator[Target]:
    if not all(part.isidentifier() for part in name.split(".")):
        raise TargetError(f"{name!r}: there is no such file or directory")
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError as error:
        spec = None
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            yield Target(name)
            return
    except Exception:  # noqa: BLE001 - a package above it fails; importing it shows how
        yield Target(name)
        return
    if spec is None:
        raise TargetError(f"{name!r} is no file, no directory and no module that can be imported")
    yield Target(name, spec.origin if spec.origin and spec.has_location else "")
    for location in spec.submodule_search_locations or ():
        top = Path(location)
        for path in _files(top, top, exclude):
            if path.name != "__init__.py" and defines_workflow(path):
                inner = path.relative_to(top).with_suffix("").parts
                yield Target(".".join((name, *inner)), str(path))


def target_of(path: Path) -> Target:
    """How the file `path` is imported."""
    parts = [] if path.name == "__init__.py" else [path.stem]
    top = path.parent
    while (top / "__init__.py").exists():
        parts.insert(0, top.name)
        top = top.parent
    if len(parts) < 2 and path.name != "__init__.py":
        parts = [*_below_a_root(top), *parts]
    return Target(".".join(parts), str(path), str(top))


def _below_a_root(directory: Path) -> tuple[str, ...]:
    """The dotted way from the nearest root down to a directory that is no package;
    none when its names cannot be written in an import."""
    roots = {directory}.intersection(_roots()) or directory.parents
    nearest = next((root for root in roots if root in _roots()), directory)
    parts = directory.relative_to(nearest).parts
    return parts if all(part.isidentifier() for part in parts) else ()


def _roots() -> set[Path]:
    here = Path.cwd()
    return {here, here / "src", *(Path(entry).resolve() for entry in sys.path if entry)}


def defines_workflow(path: Path) -> bool:
    """Whether importing a file would register a workflow, as far as its text says;
    also when it cannot be parsed but speaks of Waymark, so that this is told."""
    text = path.read_bytes()
    if b"workflow" not in text:
        return False
    try:
        tree = ast.parse(text, str(path))
    except (SyntaxError, ValueError):
        return b"import waymark" in text or b"from waymark" in text
    names = {"workflow", *_imported_as(tree)}
    return any(_decorated(node, names) for node in _top_level(tree.body))


def _imported_as(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from (
                alias.asname for alias in node.names if alias.asname and alias.name == "workflow"
            )


def _top_level(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """What an import executes: everything that is not inside a function."""
    for node in body:
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from _top_level(ast.iter_child_nodes(node))


def _decorated(node: ast.AST, names: set[str]) -> bool:
    return isinstance(node, ast.ClassDef) and any(
        _last_name(decorator) in names for decorator in node.decorator_list
    )


def _last_name(decorator: ast.expr) -> str:
    match decorator:
        case ast.Call(func=function):
            return _last_name(function)
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case _:
            return ""
