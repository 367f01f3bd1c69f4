"""The stored form of a workflow: frozen data, and nothing else.

A graph is a handful of *functions* (`run`, then each async helper it reaches),
each a tree of *nodes*, and of *sync functions*, each one pure `def`. A node is a
durable boundary (something is awaited) or a decision (branch, loop, try, return,
raise); whatever pure Python stands between two of these is one `Compute` node.

Rules that hold for every graph, checked by `graph.validation` for one that was
just compiled and for one that was read from the database alike:

1.  Code is kept as *text* that Python 3.11 parses (`Code`). It is never a
    pickle, never a code object. A loader parses it, checks it against
    `graph.check` and only then compiles it.
2.  All names in code resolve through, in this order: the function's
    `variables`, the function's `names` table, the allowed builtins. There is
    no other scope.
3.  Variables are function-scoped, as in Python. The compiler invents variables
    of its own for values that cross an await; their names begin with
    `HIDDEN`, which no author may use.
4.  An awaited expression is evaluated by ordinary code to an *awaitable of the
    run* (an action call, a helper call, a sleep, a gather); the `Await` node
    says which kind is expected and where the value goes. Hence calls of
    actions are values, as coroutines are in Python.
5.  Node ids count from 0 in source order through the whole graph, so that an
    effect can name the node it came from.
6.  `span`, `lines`, `source`, `path` and `first_line` are locations: shown to
    people, left out of the content hash.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

#: Version of the document. Raised when an older reader could misunderstand.
FORMAT = 1

#: Prefix of variables that the compiler invents. Refused in authored names.
HIDDEN = "_waymark_"

#: Prefix of functions that define asyncio's own, which the compiler adds. No
#: author's function has a colon in its name.
DEFINED = "asyncio:"

#: Prefix of a parameter's default in a function's table.
DEFAULT = f"{HIDDEN}default_"

#: In the table of `run`: the workflow's `__init__`, called once for each `self`.
INIT = f"{HIDDEN}init"


@dataclass(frozen=True, slots=True)
class Span:
    """Where something stands in the author's file. Lines from 1, columns from 0
    (in characters), the end exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Code:
    """A piece of pure Python.

    `mode` is `"eval"` for one expression and `"exec"` for statements. `lines`
    gives, for each line of `text`, the author's line it came from. `reads` and
    `writes` name variables of the function (not names of its table).
    """

    text: str
    mode: Literal["eval", "exec"]
    lines: tuple[int, ...] = ()
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Compute:
    """Pure statements between two awaits. `code.mode` is `"exec"`."""

    id: int
    span: Span
    code: Code


#: What an `Await` waits for. `await` is an awaitable held in a variable.
AwaitKind: TypeAlias = Literal["action", "child", "sleep", "call", "join", "await"]


@dataclass(frozen=True, slots=True)
class Await:
    """A durable boundary.

    `call` is an expression that yields the awaitable; `target` is the variable
    that receives the outcome, or None when it is thrown away. `refers` names
    what is called, for people and for resolving before a claim: action names
    for `action` and `join`, workflow names for `child`, function names for
    `call`. `collects` is True for a `join` with `return_exceptions=True` (where
    that can be seen).
    """

    id: int
    span: Span
    kind: AwaitKind
    call: Code
    target: str | None = None
    refers: tuple[str, ...] = ()
    collects: bool = False


@dataclass(frozen=True, slots=True)
class Branch:
    """`if`: `test` is evaluated for its truth."""

    id: int
    span: Span
    test: Code
    then: tuple[Node, ...]
    orelse: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop that holds an await, a return or a raise of its own.

    `while`: `head` is the test, `target` is None.
    `for`: `head` is the iterable, evaluated once; `target` is the variable that
    receives each item (a hidden one, unpacked by the body's first node, where
    the author's target is not a plain name).
    A `while` whose test itself awaits is lowered to `while True` with a branch
    and `Jump("break_else")`, see there.
    """

    id: int
    span: Span
    flavour: Literal["for", "while"]
    head: Code
    body: tuple[Node, ...]
    orelse: tuple[Node, ...] = ()
    target: str | None = None


@dataclass(frozen=True, slots=True)
class Jump:
    """`break` and `continue` of the innermost `Loop`. `break_else` leaves the
    loop through its `else` part, as a false test does."""

    id: int
    span: Span
    kind: Literal["break", "continue", "break_else"]


@dataclass(frozen=True, slots=True)
class Handler:
    """`except types as name`. `types` None catches everything. `types` yields a
    class or a tuple of classes; `name` is unbound again when the handler ends.
    `before` is what `types` awaits, done when no handler above has matched."""

    span: Span
    types: Code | None
    name: str | None
    body: tuple[Node, ...]
    before: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Try:
    """`try` with any of its parts; Python's own semantics. With `except*`, `star`
    is the hidden variable that holds what is still to be handled, else None."""

    id: int
    span: Span
    body: tuple[Node, ...]
    handlers: tuple[Handler, ...] = ()
    orelse: tuple[Node, ...] = ()
    final: tuple[Node, ...] = ()
    star: str | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    """`async with`. `manager` is evaluated and entered, `target` receives what that
    comes to, and it is left on every way out of the body. `holder` and `outcome`
    are hidden variables: the manager, and what it says of an exception."""

    id: int
    span: Span
    manager: Code
    holder: str
    outcome: str
    body: tuple[Node, ...]
    target: str | None = None


@dataclass(frozen=True, slots=True)
class Return:
    """Leaves the function. `value` None returns None."""

    id: int
    span: Span
    value: Code | None = None


@dataclass(frozen=True, slots=True)
class Raise:
    """`raise` at node level. `code` is the statement in exec mode; None is a
    bare `raise`."""

    id: int
    span: Span
    code: Code | None = None


Node: TypeAlias = Compute | Await | Branch | Loop | Jump | Try | Scope | Return | Raise


NameKind: TypeAlias = Literal[
    "action",
    "workflow",
    "class",
    "stdlib",
    "constant",
    "helper",
    "function",
    "pure",
    "display",
    "local",
    "property",
    "cached_property",
    "classmethod",
]

#: Kinds that only `Graph.attributes` hold.
ATTRIBUTES_ONLY: tuple[NameKind, ...] = ("property", "cached_property", "classmethod")


@dataclass(frozen=True, slots=True)
class Name:
    """What a name that is no variable stands for in one function.

    kind        ref / value
    action      ref: the action's registered name
    workflow    ref: the registered name of a workflow, run as a child
    class       ref: `module:qualname`, looked up among types reachable from
                registered code (models, exceptions, enums), never imported
    stdlib      ref: dotted path in `graph.operations` (`datetime.datetime`,
                `asyncio`, `math`), a module or a member of one
    constant    value: the constant, encoded by `values` as JSON text
    helper      ref: name of a `Function` of this graph
    function    ref: name of a `SyncFunction` of this graph
    pure        ref: `module:qualname` of a function marked `@waymark.pure`
    local       ref: name of a `Function` with `local`. Called where the `async def`
                stands, as `ref(lambda: (captured...), (default...), {name: default})`,
                it gives the function; its variables are those of the lambda
    display     value: a constant that holds names, laid out as in `graph.displays`
    """

    kind: NameKind
    ref: str = ""
    value: str = ""


ParameterKind: TypeAlias = Literal[
    "positional", "normal", "keyword", "var_positional", "var_keyword"
]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a function. `default` names an entry of the function's
    `names` (a constant) or is None when there is no default."""

    name: str
    kind: ParameterKind
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Function:
    """`run` or an async helper. `variables` are all its locals, parameters
    first, hidden ones included. Helpers of the class are named `self.<method>`
    in code and `<Class>.<method>` here; `run` is `run`. `method` is True when
    the first parameter is `self` (not listed in `parameters`).

    A `local` one was defined inside of another. The last of its variables are
    `captured`: those of the frame around it, shared as closures share them. Its
    defaults are values of the frame around it, so its table has none."""

    name: str
    parameters: tuple[Parameter, ...]
    variables: tuple[str, ...]
    names: dict[str, Name]
    body: tuple[Node, ...]
    method: bool = True
    span: Span = Span(1, 0, 1, 0)
    source: str = ""
    first_line: int = 1
    path: str = ""
    local: bool = False
    captured: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SyncFunction:
    """A helper that does not wait: one pure `def`, called like any function.

    `code` is the definition in exec mode; it reads and writes no variables. Each
    default is a name of the table that begins with `HIDDEN`. `method` says that
    the first parameter is `self`.
    """

    name: str
    code: Code
    names: dict[str, Name]
    method: bool = False
    span: Span = Span(1, 0, 1, 0)
    source: str = ""
    first_line: int = 1
    path: str = ""


@dataclass(frozen=True, slots=True)
class Graph:
    """One workflow version. `functions[0]` is `run`. `attributes` are the class's
    own that the code reads through `self`; the kinds `property`,
    `cached_property` and `classmethod` (ref: a sync function, or any for the
    last) stand only there. `self_class` is the class's qualified name in a graph
    where `self` is a value with state: a variable of each method, made anew for
    each run. Where it is empty `self` only leads to `attributes`."""

    workflow: str
    functions: tuple[Function, ...]
    attributes: dict[str, Name] = field(default_factory=dict[str, Name])
    compiled_by: tuple[int, int] = (3, 11)
    lowest: tuple[int, int] = (3, 11)
    format: int = FORMAT
    sync_functions: tuple[SyncFunction, ...] = ()
    self_class: str = ""


def children(node: Node) -> tuple[tuple[Node, ...], ...]:
    """The bodies directly inside `node`, in source order."""
    match node:
        case Branch():
            return (node.then, node.orelse)
        case Loop():
            return (node.body, node.orelse)
        case Try():
            handled = (part for h in node.handlers for part in (h.before, h.body))
            return (node.body, *handled, node.orelse, node.final)
        case Scope():
            return (node.body,)
        case _:
            return ()


def walk(body: tuple[Node, ...]) -> Iterator[Node]:
    """Every node of `body`, each before what it holds."""
    for node in body:
        yield node
        for inner in children(node):
            yield from walk(inner)
