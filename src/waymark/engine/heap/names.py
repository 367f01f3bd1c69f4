"""What the values of a run may refer to in its program, by name.

Constants, functions, classes and code are not written into a snapshot: they are part of
the graph, which every process has, and stand in a snapshot as names. A name leads only to
what the code of the graph could itself reach, so an edited snapshot leads nowhere else.

    f<function>:<name>        a name of a function's table, or a builtin
    s<sync function>:<name>   the same of a sync function
    constant:<name>/<n>/<p>   the p-th part of the n-th constant of that name
    helper:<name>, sync:<name>, self, set, frozenset
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, Protocol

from waymark.engine.guarded import self_name
from waymark.engine.guards import make_frozenset, make_set
from waymark.graph.model import HIDDEN, Function, Graph, Name
from waymark.graph.operations import BUILTINS
from waymark.values import FrozenDict, OrderedFrozenSet, OrderedSet, mutable_parts
from waymark.values.codec import SCALARS, Failure, kind_of

if TYPE_CHECKING:
    from waymark.engine.guards import Guards
    from waymark.engine.program import LinkedFunction

#: What inserted code reaches of the library, and of `self` where that is no value.
_REACHED = (f"{HIDDEN}at_", self_name(""))


#: Values that stand for themselves; what is equal may be one object.
_UNNAMED = SCALARS | {tuple, bytes}


class Linked(Protocol):
    """What linking a graph has made."""

    graph: Graph
    guards: Guards
    constants: dict[tuple[str, str], Any]
    helpers: dict[str, Callable[..., Any]]
    sync: dict[str, FunctionType]
    self_class: type[Any]
    #: By function: what makes a local one, given its cells and defaults.
    locals: dict[int, tuple[Function, CodeType, Callable[..., Any]]]


class Names:
    """The names of one program, found when they are first asked for."""

    def __init__(self, linked: Linked) -> None:
        self._linked = linked
        self.guards = linked.guards
        self.self_class = linked.self_class
        #: The forms of the program's values, once they are made.
        self.forms: object = None
        self._functions: tuple[LinkedFunction, ...] = ()
        self._values: dict[str, Any] = {}
        self._keys: dict[int, str] = {}
        self._codes: dict[str, tuple[CodeType, dict[str, Any]]] = {}
        self._code_keys: dict[int, str] = {}

    def prepare(self, functions: tuple[LinkedFunction, ...]) -> None:
        """Find what there is, unless that is done."""
        if self._functions:
            return
        for function in functions:
            for site in function.sites:
                site.bound()
        for key, value in self._everything(functions):
            self._values[key] = value
            if type(value) not in _UNNAMED:
                self._keys.setdefault(id(value), key)
        for number, function in enumerate(functions):
            for pc, site in enumerate(function.sites):
                self._learn_code(f"f{number}.{pc}", site.code, function.namespace)
        for name, made in self._linked.sync.items():
            self._learn_code(f"s{name}", made.__code__, made.__globals__)
        self._functions = functions

    # Values

    def key(self, value: object) -> str | None:
        """The name of a value, None when it has none."""
        return self._keys.get(id(value))

    def value(self, key: object) -> Any:
        """The value of a name. Raises Failure."""
        if type(key) is not str or key not in self._values:
            raise Failure(f"the graph has nothing that is called {key!r}")
        return self._values[key]

    def callable(self, value: Any) -> Any:
        """`value` where it is to be called: it has a name, or passes the guard."""
        return value if self.key(value) is not None else self.guards.callable(value)

    def _everything(self, functions: tuple[LinkedFunction, ...]) -> Iterator[tuple[str, Any]]:
        linked = self._linked
        for number, function in enumerate(functions):
            table = linked.graph.functions[number].names
            yield from _reachable(f"f{number}", function.namespace, table)
        for synchronous in linked.graph.sync_functions:
            made = linked.sync[synchronous.name]
            yield from _reachable(f"s{synchronous.name}", made.__globals__, synchronous.names)
        seen: dict[str, int] = {}
        for name, text in sorted(linked.constants):
            number = seen[name] = seen.get(name, -1) + 1
            value = linked.constants[name, text]
            for part, found in enumerate(_parts(value)):
                yield f"constant:{name}/{number}/{part}", found
        for name, helper in linked.helpers.items():
            yield f"helper:{name}", helper
        for name, function_of in linked.sync.items():
            yield f"sync:{name}", function_of
        yield from (("self", linked.self_class), ("set", OrderedSet))
        yield from (("frozenset", OrderedFrozenSet), ("set()", make_set))
        yield "frozenset()", make_frozenset

    # Code

    def _learn_code(self, key: str, code: CodeType | None, namespace: dict[str, Any]) -> None:
        if code is None or id(code) in self._code_keys:
            return
        self._codes[key] = code, namespace
        self._code_keys[id(code)] = key
        inner = [part for part in code.co_consts if isinstance(part, CodeType)]
        for number, part in enumerate(inner):
            self._learn_code(f"{key}.{number}", part, namespace)

    def code_key(self, code: CodeType) -> str | None:
        """The name of a piece of code, None when it is no part of the graph."""
        return self._code_keys.get(id(code))

    def code(self, key: object) -> tuple[CodeType, dict[str, Any]]:
        """A piece of code and the namespace that it runs over. Raises Failure."""
        if type(key) is not str or key not in self._codes:
            raise Failure(f"the graph has no code that is called {key!r}")
        return self._codes[key]

    # Local functions

    def local_index(self, call: object) -> int | None:
        """Which function a local one is made of, by what it calls."""
        for index, (_, _, known) in self._linked.locals.items():
            if known is call:
                return index
        return None

    def local(self, index: object) -> tuple[Function, CodeType, Callable[..., Any]]:
        """What a local function is made of. Raises Failure."""
        if type(index) is not int or index not in self._linked.locals:
            raise Failure(f"the graph has no local function {index!r}")
        return self._linked.locals[index]


def _parts(value: Any) -> Iterator[Any]:
    """All that a constant holds, in an order that its contents decide."""
    kind = kind_of(value)
    if kind in SCALARS:
        return
    if issubclass(kind, (list, tuple, OrderedSet, OrderedFrozenSet)):
        yield value
        for item in value:
            yield from _parts(item)
    elif kind is FrozenDict:
        yield value
        for pair in value.items():
            yield from _parts(pair)
    else:
        yield value
        yield from mutable_parts(value)


def _reachable(
    scope: str, namespace: dict[str, Any], table: Mapping[str, Name]
) -> Iterator[tuple[str, Any]]:
    for name in sorted(namespace):
        if name in BUILTINS or name in table or name.startswith(_REACHED):
            yield f"{scope}:{name}", namespace[name]
