"""Where a module constant comes from, as far as its module's text shows.

A constant becomes part of the graph by value. One that is read from the
environment, a file or a clock would put a secret there, or give two processes
two graphs; so its defining expression is looked at, through other constants and
`from ... import`.
"""

from __future__ import annotations

import ast
import linecache
import sys
from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any

from .catalogued import library_path
from .source import parsed_module

_OUTSIDE = (
    "os.environ",
    "os.getenv",
    "os.environb",
    "os.getcwd",
    "os.getpid",
    "os.urandom",
    "os.listdir",
    "os.path.expanduser",
    "sys.argv",
    "sys.stdin",
    "time.",
    "random.",
    "secrets.",
    "socket.",
    "platform.",
    "getpass.",
    "tempfile.",
    "io.open",
    "uuid.uuid1",
    "uuid.uuid4",
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "datetime.datetime.today",
    "datetime.date.today",
)
_OUTSIDE_BUILTINS = frozenset({"open", "input"})
_OUTSIDE_METHODS = frozenset({"read_text", "read_bytes", "read", "cwd", "home"})
_HOPS_MAX = 5


def outside_origin(namespace: Mapping[str, Any], name: str, hops: int = 0) -> str | None:
    """What of the outside world the constant `name` of a module is made from
    (`os.environ`), None when nothing of it shows."""
    if hops > _HOPS_MAX:
        return None
    if any(cls.__name__ == "BaseSettings" for cls in type(namespace.get(name)).__mro__):
        return "the environment, as settings are"
    tree = _module_tree(namespace)
    if tree is None:
        return None
    for statement in _top_level(tree):
        if isinstance(statement, ast.ImportFrom):
            found = _imported_origin(statement, namespace, name, hops)
        elif name in _assigned(statement):
            found = _value_origin(statement, namespace, hops)
        else:
            continue
        if found is not None:
            return found
    return None


def class_origin(cls: type, name: str) -> str | None:
    """The same for a constant in the body of a class."""
    namespace = vars(sys.modules.get(cls.__module__, sys))
    tree = _module_tree(namespace)
    for node in ast.walk(tree) if tree is not None else ():
        if isinstance(node, ast.ClassDef) and node.name == cls.__name__:
            for statement in node.body:
                if name in _assigned(statement):
                    return _value_origin(statement, namespace, 0)
    return None


def _module_tree(namespace: Mapping[str, Any]) -> ast.Module | None:
    path = namespace.get("__file__")
    if not isinstance(path, str):
        return None
    text = "".join(linecache.getlines(path, dict(namespace)))
    return parsed_module(path, text) if text else None


def _top_level(tree: ast.Module) -> Iterator[ast.stmt]:
    """Statements that run when the module does, also below `if` and `try`."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        if isinstance(node, ast.stmt):
            yield node
        waiting.extend(
            child
            for child in ast.iter_child_nodes(node)
            if isinstance(child, (ast.stmt, ast.ExceptHandler))
        )


def _assigned(statement: ast.stmt) -> set[str]:
    match statement:
        case ast.Assign(targets=targets):
            pass
        case ast.AnnAssign(target=target) | ast.AugAssign(target=target):
            targets = [target]
        case ast.With(items=items):
            targets = [item.optional_vars for item in items if item.optional_vars is not None]
        case _:
            return set()
    nodes = (node for target in targets for node in ast.walk(target))
    return {node.id for node in nodes if isinstance(node, ast.Name)}


def _value_origin(statement: ast.stmt, namespace: Mapping[str, Any], hops: int) -> str | None:
    for node in _evaluated(statement):
        path = _live_path(node, namespace)
        if path is not None and path.startswith(_OUTSIDE):
            return f"`{path}`"
        match node:
            case ast.Call(func=ast.Attribute(attr=method)) if method in _OUTSIDE_METHODS:
                return f"`.{method}()`"
            case _:
                pass
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            if node.id in _OUTSIDE_BUILTINS and node.id not in namespace:
                return f"`{node.id}`"
            found = outside_origin(namespace, node.id, hops + 1)
            if found is not None:
                return found
    return None


def _evaluated(statement: ast.stmt) -> Iterator[ast.AST]:
    parts: list[ast.AST] = []
    match statement:
        case ast.Assign(value=value) | ast.AugAssign(value=value):
            parts.append(value)
        case ast.AnnAssign(value=ast.expr() as value):
            parts.append(value)
        case ast.With(items=items):
            parts.extend(item.context_expr for item in items)
        case _:
            pass
    for part in parts:
        yield from ast.walk(part)


def _live_path(node: ast.AST, namespace: Mapping[str, Any]) -> str | None:
    """The canonical dotted path that an expression spells in its module."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id not in namespace:
        return None
    live = namespace[node.id]
    if isinstance(live, ModuleType):
        root: str | None = live.__name__
    elif live is vars(sys.modules.get("os", sys)).get("environ"):
        root = "os.environ"
    else:
        root = library_path(live)
    return None if root is None else ".".join((root, *reversed(parts)))


def _imported_origin(
    statement: ast.ImportFrom, namespace: Mapping[str, Any], name: str, hops: int
) -> str | None:
    for alias in statement.names:
        if (alias.asname or alias.name) != name:
            continue
        module = _imported_module(statement, namespace)
        if module is not None:
            return outside_origin(vars(module), alias.name, hops + 1)
    return None


def _imported_module(statement: ast.ImportFrom, namespace: Mapping[str, Any]) -> ModuleType | None:
    if not statement.level:
        return sys.modules.get(statement.module or "")
    package = str(namespace.get("__package__") or "").split(".")
    base = package[: len(package) - statement.level + 1]
    return sys.modules.get(".".join((*base, *filter(None, (statement.module,)))))
