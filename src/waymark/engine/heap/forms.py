"""Forms of what exists only inside of a run: functions, methods, iterators' companions,
the objects of asyncio, and stricter ones of a few plain values."""

from __future__ import annotations

import functools
import re
from collections import ChainMap, defaultdict
from types import (
    BuiltinFunctionType,
    CellType,
    FunctionType,
    MethodType,
    MethodWrapperType,
    ModuleType,
)
from typing import TYPE_CHECKING, Any

from waymark.engine.binding import LOCAL, local_function
from waymark.engine.instance import Instance
from waymark.engine.taped import TapedBuiltin, TapedMethod
from waymark.values import OrderedFrozenSet, OrderedSet
from waymark.values.codec import Codec, Decoding, Encoding, Failure, Form, Refusal, Tree
from waymark.values.exceptions import ErrorForm, is_group
from waymark.values.forms import Forms
from waymark.values.items import checked, decode_items, encode_items
from waymark.values.objects import NamedTupleForm, ReferenceForm, ref_of
from waymark.values.ordered import adopt_order, order_of
from waymark.values.text import text_of

from .calls import call_forms
from .codec import HeapAnything, cell_at, heap_decoding, heap_encoding
from .engine_objects import engine_forms
from .iterators import WHOLE as ITERATORS_ARE_WHOLE
from .iterators import iterator_forms
from .matches import MatchForm

if TYPE_CHECKING:
    from waymark.engine.program import Program

    from .names import Names


class HeapForms(Forms):
    """All forms of the values of one program's runs."""

    def __init__(self, program: Program) -> None:
        self.names = names = program.names
        names.prepare(program.functions)
        super().__init__(program.links.types)
        anything = self.anything
        method, taped = MethodForm(anything, names), TapedForm(anything, names)
        self.teach(
            {
                CellType: CellForm(),
                FunctionType: FunctionForm(anything, names, self.function),
                BuiltinFunctionType: method,
                MethodType: method,
                MethodWrapperType: method,
                TapedMethod: taped,
                TapedBuiltin: taped,
                functools.partial: PartialForm(anything, names),
                defaultdict: FactoryForm(anything, names),
                ChainMap: ChainForm(anything),
                OrderedSet: SetForm(anything),
                OrderedFrozenSet: FrozenSetForm(anything),
                object: SentinelForm(),
                **iterator_forms(anything, names),
                **engine_forms(anything),
                **call_forms(program, anything),
                **MatchForm.forms(anything),
                **{cls: NamedTupleForm(ref_of(cls), cls, self) for cls in named_tuples(program)},
            }
        )
        self.teach({_Named: NameForm(), _Nan: NanForm(), Instance: SelfForm(anything, names)})
        self._instance = self.form_of(Instance)

    def _make_anything(self) -> HeapAnything:
        return HeapAnything(self)

    def _make_error(self) -> Form:
        return StrictErrorForm(self)

    def _codec(self, annotation: object) -> Codec:
        """What fields are annotated with is of no matter: each value says what it is."""
        return self.anything

    def _made(self, kind: Any) -> Form:
        return self._instance if kind is self.names.self_class else super()._made(kind)


#: What cannot exist before what it holds.
WHOLE: tuple[type, ...] = (
    *(tuple, frozenset, FunctionType, BuiltinFunctionType, MethodType, MethodWrapperType),
    *(TapedMethod, TapedBuiltin, functools.partial, BaseExceptionGroup, re.Match),
    *ITERATORS_ARE_WHOLE,
)


#: Named tuples of the library that a body may come by.
_NAMED_TUPLES = {
    "urllib.parse": ("ParseResult", "SplitResult", "DefragResult"),
    "statistics": ("LinearRegression",),
    "decimal": ("DecimalTuple",),
}


def named_tuples(program: Program) -> list[type]:
    """Their classes, of the modules that the graph's code may name."""
    modules = program.links.modules
    return [
        getattr(modules[module], name)
        for module, names in _NAMED_TUPLES.items()
        if module in modules
        for name in names
    ]


class _Named:
    """Stands for what has a name in the program."""


class _Nan:
    """Stands for a `nan`."""


class NameForm:
    tag, shapes, tracked = "~name", (str,), False

    def write(self, value: Any, out: Encoding) -> Tree:
        raise Refusal("no value")

    def read(self, tree: Tree, source: Decoding, number: int | None) -> Any:
        return heap_decoding(source).names.value(tree)


class NanForm:
    tag, shapes, tracked = "~nan", (int,), False

    def write(self, value: Any, out: Encoding) -> Tree:
        raise Refusal("no value")

    def read(self, tree: Tree, source: Decoding, number: int | None) -> float:
        return heap_decoding(source).nans.setdefault(checked(tree, int), float("nan"))


class CellForm:
    """A variable: its number."""

    tag, shapes, tracked = "~cell", (int,), False

    def write(self, value: CellType, out: Encoding) -> Tree:
        return heap_encoding(out).cell(value)

    def read(self, tree: Tree, source: Decoding, number: int | None) -> CellType:
        return cell_at(heap_decoding(source), tree)


class FunctionForm:
    """A function made by code of the graph: its code's name and what it closes over.
    A local async function: its number. Any other: a reference, as everywhere."""

    tag, shapes, tracked = "~function", (list,), True

    def __init__(self, anything: Codec, names: Names, resolve: Any) -> None:
        self._anything = anything
        self._names = names
        self._registered = ReferenceForm("function", ref_of, resolve)

    def write(self, value: FunctionType, out: Encoding) -> Tree:
        if value.__code__ is LOCAL:
            return self._write_local(value, out)
        key = self._names.code_key(value.__code__)
        if key is None:
            return ["registered", self._registered.write(value, out)]
        if value.__dict__ or value.__globals__ is not self._names.code(key)[1]:
            raise Refusal("a function that was changed")
        cells = [heap_encoding(out).cell(cell) for cell in value.__closure__ or ()]
        return ["code", key, cells, *self._defaults(value, out)]

    def _write_local(self, value: FunctionType, out: Encoding) -> Tree:
        parts = dict(zip(LOCAL.co_freevars, value.__closure__ or (), strict=True))
        bind = parts["bind"].cell_contents
        index = self._names.local_index(parts["call"].cell_contents)
        if index is None:
            raise Refusal("a function of another program")
        cells = [heap_encoding(out).cell(cell) for cell in parts["cells"].cell_contents]
        return ["local", index, cells, *self._defaults(bind, out)]

    def _defaults(self, function: FunctionType, out: Encoding) -> list[Tree]:
        named = self._anything.encode(function.__kwdefaults__, out)
        return [self._anything.encode(function.__defaults__, out), named]

    def read(self, tree: Tree, source: Decoding, number: int | None) -> Any:
        heap = heap_decoding(source)
        if tree[0] == "registered":
            return self._registered.read(tree[1], source, None)
        kind, key, numbers, *given = checked(tree, list)
        cells = tuple(cell_at(heap, each) for each in checked(numbers, list))
        positional, named = (self._anything.decode(part, source) for part in given)
        _check_defaults(positional, named)
        if kind == "local":
            function, code, call = self._names.local(key)
            if len(cells) != len(function.captured):
                raise Failure(f"{function.name} shares {len(function.captured)} variables")
            return local_function(function, code, call, cells, positional or (), named)
        code, namespace = self._names.code(key)
        made = FunctionType(code, namespace, None, positional, cells or None)
        made.__kwdefaults__ = named
        return made


def _check_defaults(positional: object, named: object) -> None:
    if not isinstance(positional, tuple | None) or not isinstance(named, dict | None):
        raise Failure("defaults of a function that are none")


class MethodForm:
    """A bound method: its owner, and the name by which the owner's guard gives it; of
    `self` the name of the function."""

    tag, shapes, tracked = "~method", (list,), True

    def __init__(self, anything: Codec, names: Names) -> None:
        self._anything = anything
        self._names = names

    def write(self, value: Any, out: Encoding) -> Tree:
        owner, name = value.__self__, value.__name__
        if owner is self._names.guards and name == "make":
            return ["make"]
        if isinstance(owner, type | ModuleType):
            raise Refusal(f"the function {name}")
        if isinstance(owner, Instance):
            key = self._names.key(value.__func__)
            if key is None:
                raise Refusal(f"the method {name}")
            return [key, self._anything.encode(owner, out)]
        return [name, self._anything.encode(owner, out)]

    def read(self, tree: Tree, source: Decoding, number: int | None) -> Any:
        if tree == ["make"]:
            return self._names.guards.make
        name, part = checked(tree, list)
        owner = self._anything.decode(part, source)
        if isinstance(owner, Instance):
            function = self._names.value(name)
            if not isinstance(function, FunctionType):
                raise Failure(f"{name!r} is no method of self")
            return MethodType(function, owner)
        return self._names.guards.method(owner, text_of(name))


class TapedForm:
    """A method whose calls are recorded: what a dot gives for it."""

    tag, shapes, tracked = "~taped", (list,), True

    def __init__(self, anything: Codec, names: Names) -> None:
        self._anything = anything
        self._names = names

    def write(self, value: TapedMethod | TapedBuiltin, out: Encoding) -> Tree:
        function: Any = value.function
        owner, name = getattr(function, "__self__", None), getattr(function, "__name__", "")
        if owner is None or getattr(owner, name, None) != function:
            raise Refusal("a method that has no name")
        return [name, self._anything.encode(owner, out)]

    def read(self, tree: Tree, source: Decoding, number: int | None) -> Any:
        name, owner = checked(tree, list)
        return self._names.guards.method(self._anything.decode(owner, source), text_of(name))


class PartialForm:
    """`functools.partial` of something that a body may call."""

    tag, shapes, tracked = "~partial", (list,), True

    def __init__(self, anything: Codec, names: Names) -> None:
        self._anything = anything
        self._names = names

    def write(self, value: functools.partial[Any], out: Encoding) -> Tree:
        if vars(value):
            raise Refusal("a partial with attributes")
        parts = [value.func, value.args, value.keywords]
        return [self._anything.encode(part, out) for part in parts]

    def read(self, tree: Tree, source: Decoding, number: int | None) -> Any:
        function, args, keywords = (
            self._anything.decode(part, source) for part in checked(tree, list)
        )
        return functools.partial(self._names.callable(function), *args, **keywords)


class FactoryForm:
    """`defaultdict` with any factory that a body may give it."""

    tag, shapes, tracked = "~defaultdict", (list,), True

    def __init__(self, anything: Codec, names: Names) -> None:
        self._anything = anything
        self._names = names

    def write(self, value: defaultdict[Any, Any], out: Encoding) -> Tree:
        items = [part for pair in value.items() for part in pair]
        return encode_items(self._anything, [value.default_factory, *items], out)

    def read(self, tree: Tree, source: Decoding, number: int | None) -> Any:
        made: defaultdict[Any, Any] = defaultdict()
        if number is not None:
            source.shared[number] = made
        factory, *items = decode_items(self._anything, tree, source, [])
        if factory is not None:
            made.default_factory = self._names.callable(factory)
        made.update(zip(items[::2], items[1::2], strict=True))
        return made


class ChainForm:
    """`ChainMap`: its maps."""

    tag, shapes, tracked = "~chain", (list,), True

    def __init__(self, anything: Codec) -> None:
        self._anything = anything

    def write(self, value: ChainMap[Any, Any], out: Encoding) -> Tree:
        return encode_items(self._anything, value.maps, out)

    def read(self, tree: Tree, source: Decoding, number: int | None) -> Any:
        made: ChainMap[Any, Any] = ChainMap()
        if number is not None:
            source.shared[number] = made
        made.maps = decode_items(self._anything, tree, source, [])
        if not made.maps or not all(isinstance(each, dict) for each in made.maps):
            raise Failure("a ChainMap of what are no dicts")
        return made


class SetForm:
    """A set of the run, by the dict that has its order: an iterator over the set is
    one over that dict."""

    tag, shapes, tracked = "~set", (list,), True

    def __init__(self, anything: Codec) -> None:
        self._anything = anything

    def write(self, value: OrderedSet[Any], out: Encoding) -> Tree:
        return [self._anything.encode(order_of(value), out)]

    def read(self, tree: Tree, source: Decoding, number: int | None) -> Any:
        made: OrderedSet[Any] = OrderedSet()
        if number is not None:
            source.shared[number] = made
        (order,) = checked(tree, list)
        adopt_order(made, checked(self._anything.decode(order, source), dict))
        return made


class FrozenSetForm:
    """A frozen set of the run: its items in order."""

    tag, shapes, tracked = "~frozenset", (list,), None

    def __init__(self, anything: Codec) -> None:
        self._anything = anything

    def write(self, value: OrderedFrozenSet[Any], out: Encoding) -> Tree:
        return encode_items(self._anything, value, out)

    def read(self, tree: Tree, source: Decoding, number: int | None) -> Any:
        return OrderedFrozenSet(decode_items(self._anything, tree, source, []))


class SentinelForm:
    """`object()`: nothing but its identity."""

    tag, shapes, tracked = "~object", (list,), True

    def write(self, value: object, out: Encoding) -> Tree:
        return []

    def read(self, tree: Tree, source: Decoding, number: int | None) -> object:
        return object()


class SelfForm:
    """`self` of the run: its fields."""

    tag, shapes, tracked = "~self", (dict,), True

    def __init__(self, anything: Codec, names: Names) -> None:
        self._anything = anything
        self._names = names

    def write(self, value: Instance, out: Encoding) -> Tree:
        return {name: self._anything.encode(item, out) for name, item in vars(value).items()}

    def read(self, tree: Tree, source: Decoding, number: int | None) -> Any:
        made: Any = object.__new__(self._names.self_class)
        if number is not None:
            source.shared[number] = made
        for name, item in checked(tree, dict).items():
            if name.startswith("__"):
                raise Failure(f"a field of self that is called {name}")
            made.__dict__[name] = self._anything.decode(item, source)
        return made


class StrictErrorForm(ErrorForm):
    """Exceptions of which nothing may be lost."""

    def _kept(self, item: Any, out: Encoding, owner: BaseException) -> Tree:
        out.kept.append(item)
        return self._lookup.anything.encode(item, out)

    def _write_links(self, value: BaseException, tree: dict[str, Tree], out: Encoding) -> None:
        for linked in (value.__cause__, value.__context__):
            if linked is not None and is_group(type(linked)) and id(linked) in out.busy:
                raise Refusal("an exception of a group that leads back to its group")
        out.links = -1  # So that none is too far to be followed.
        super()._write_links(value, tree, out)

    def _kept_or_lost(self, tree: Tree, source: Decoding) -> Any:
        return self._decode(tree, source)
