"""The seams inside `values`: what writes and reads one value.

A *tree* is what orjson writes and reads: None, bool, int, float, str, list and
dict with str keys. Three kinds of parts meet here:

- A `Form` knows one exact class: it turns an instance into a tree body and back.
- A `Codec` stands at a place (a field, an item, an argument) and knows what is
  expected there. A value of an expected class is written by its form, untagged;
  any other is written with a tag, `{"$t": tag, "v": body}`.
- `Encoding` and `Decoding` are the state of one pass over one value.

Trees with a `"$t"` key are always tags; a user's dict that has this key is
written as tagged pairs, so no data can look like a tag.

    {"$t": "<tag>", "v": body}     a value of another class than expected;
                                   a tag with a colon names a user's class
    {"$t": "def", "n": 1, "v": …}  a value that is referred to again
    {"$t": "ref", "n": 1}          the value defined as 1
    {"$t": "outer", "n": 0}        the caller's reference number 0
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol, TypeAlias

Tree: TypeAlias = Any

#: `type`, as the type checkers see it of a value of any type.
kind_of: Final[Callable[[object], type]] = type

#: The key that makes an object of a tree a tag.
TAG: Final = "$t"

#: Exact types that are their own tree wherever nothing else claims them. The
#: rare exceptions (integers beyond 64 bits, lone surrogates) make the C encoder
#: fail, upon which a careful pass looks at each of them.
PLAIN: Final[frozenset[type]] = frozenset({type(None), bool, int, str})

#: The same with float, which needs a look: JSON has no nan and no infinities.
SCALARS: Final[frozenset[type]] = PLAIN | {float}


#: How many steps of a path are shown from each end.
_STEPS_MAX: Final = 10


class _Located(Exception):
    """A problem at a place. `parts` leads to it, innermost first."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.parts: list[str] = []

    def path(self, root: str) -> str:
        steps = [root, *reversed(self.parts)]
        if len(steps) > 2 * _STEPS_MAX:
            steps[_STEPS_MAX:-_STEPS_MAX] = [" … "]
        return "".join(steps)


class Refusal(_Located):
    """A value that cannot be stored."""


class Failure(_Located):
    """A tree that cannot be read."""


def failed(error: Exception, part: str) -> Failure:
    """`error`, met below `part`, as the failure to raise."""
    if isinstance(error, Failure):
        failure = error
    else:
        failure = Failure(f"damaged or of another type ({type(error).__name__}: {error})")
    failure.parts.append(part)
    return failure


_NONE: Final[frozenset[type]] = frozenset()


class Encoding:
    """The state of one pass that writes one value.

    The first pass finds composites that occur again (`repeated`). If there are
    any, a second pass writes each of them once, as a definition. `careful` is
    set when the C encoder refused the tree. `probing` are the ids of values that
    an outer pass is looking into; `links` counts how deep causes go.
    """

    __slots__ = (
        "busy",
        "careful",
        "kept",
        "links",
        "numbers",
        "outer",
        "probing",
        "repeated",
        "seen",
        "shared",
    )

    def __init__(
        self,
        outer: dict[int, int] | None = None,
        shared: dict[int, int] | None = None,
        *,
        careful: bool = False,
        probing: frozenset[int] = frozenset(),
    ) -> None:
        self.outer = outer or {}
        self.shared = shared
        self.careful = careful
        self.probing = probing
        self.seen: set[int] = {*self.outer, *(shared or ())}
        self.repeated: set[int] = set()
        self.busy: set[int] = set()
        self.links = 0
        self.numbers = 0
        # Keeps temporaries alive, so that no id is used twice within a pass.
        self.kept: list[object] = []

    def direct(self, codec: Codec) -> frozenset[type]:
        """The exact types that need no look at this place in this pass."""
        return _NONE if self.careful else codec.direct

    def again(self, value: Any, write: Callable[[Any, Encoding], Tree]) -> Tree:
        """The tree of a composite whose id is in `seen`."""
        key = id(value)
        if key in self.outer:
            return {TAG: "outer", "n": self.outer[key]}
        if self.shared is None:
            self.repeated.add(key)
            return None
        number = self.shared.get(key)
        if number is None:
            return write(value, self)
        if number:
            return self._refer(key, number, value)
        self.numbers += 1
        number = self.shared[key] = self.numbers
        self.busy.add(key)
        tree = write(value, self)
        self.busy.discard(key)
        return {TAG: "def", "n": number, "v": tree}

    def _refer(self, key: int, number: int, value: object) -> Tree:
        kind = kind_of(value)
        if key in self.busy and issubclass(kind, (tuple, frozenset)):
            raise Refusal(f"a {kind.__name__} that holds itself; put a list or dict at its place")
        return {TAG: "ref", "n": number}


class Decoding:
    """The state of one pass that reads one value. With `run`, sets come back in
    their recorded order (see `values.ordered`)."""

    __slots__ = ("outer", "run", "shared")

    def __init__(self, outer: Any = (), *, run: bool = False) -> None:
        self.outer = outer
        self.run = run
        self.shared: dict[int, Any] = {}


class Codec(Protocol):
    """What is expected at one place. `direct` are the exact types whose values
    are their own tree there, in both directions."""

    @property
    def direct(self) -> frozenset[type]: ...

    def encode(self, value: Any, out: Encoding) -> Tree: ...

    def decode(self, tree: Tree, source: Decoding) -> Any: ...


class Form(Protocol):
    """How one exact class is written.

    `shapes` are the types its body's tree can have (of str, list, dict).
    `tracked` says that identity matters, so that a second occurrence becomes a
    reference; None leaves it to the contents (`is_tracked`).
    `read` gets a number when the value is referred to further down; a mutable
    value then puts itself into `source.shared` before it reads its contents.
    """

    @property
    def tag(self) -> str: ...

    @property
    def shapes(self) -> tuple[type, ...]: ...

    @property
    def tracked(self) -> bool | None: ...

    def write(self, value: Any, out: Encoding) -> Tree: ...

    def read(self, tree: Tree, source: Decoding, number: int | None) -> Any: ...


def is_tracked(form: Form, value: Any) -> bool:
    """Whether a second occurrence of `value` becomes a reference. Immutable
    collections of scalars are not worth it (the empty tuple is everywhere)."""
    if form.tracked is None:
        return not SCALARS.issuperset(map(type, value))
    return form.tracked


class Lookup(Protocol):
    """Where forms find each other."""

    @property
    def anything(self) -> Codec: ...

    def form_of(self, kind: type) -> Form:
        """The form of an exact class; raises Refusal."""
        ...

    def form_of_tag(self, tag: str) -> Form:
        """The form a tag names; raises Failure."""
        ...

    def codec_for(self, annotation: object) -> Codec: ...

    def resolve(self, ref: str) -> type | None: ...

    def function(self, ref: str) -> Callable[..., Any] | None: ...
