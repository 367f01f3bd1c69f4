"""The form of every class, found once: by exact class when a value is written,
by tag when one is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from enum import Enum
from inspect import isabstract
from types import BuiltinFunctionType, EllipsisType, FunctionType
from typing import Any, Protocol, cast
from uuid import UUID

from .anything import Anything, Hinted
from .codec import Codec, Failure, Form, Refusal
from .exceptions import ErrorForm
from .generics import untyped_forms
from .hints import expectation
from .lost import LostAttribute, LostForm
from .models import is_model, model_form, pydantic_forms
from .objects import EnumForm, NamedTupleForm, ReferenceForm, object_form, ref_of
from .standard import ABSTRACT_PATHS, TextForm, standard_forms
from .standin import RECORDED
from .subclasses import SubclassForm, base_of
from .text import EscapedForm, FloatForm, IntForm, StrForm


class Known(Protocol):
    """What forms ask the registry."""

    @property
    def meaningless(self) -> Mapping[str, str]: ...

    def add(self, annotation: object) -> None: ...

    def resolve(self, ref: str) -> type | None: ...

    def function(self, ref: str) -> Callable[..., Any] | None: ...

    def knows(self, cls: type) -> bool: ...

    def stand_in(self, ref: str, mro: list[str]) -> type[BaseException]: ...


class Forms:
    """All forms and codecs of one registry. Both caches grow with the classes
    and annotations of registered code, never with data."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self.anything = self._make_anything()
        self.error: Form = self._make_error()
        self._by_kind: dict[type, Form] = {
            **untyped_forms(self.anything),
            **standard_forms(self),
            str: StrForm(),
            LostAttribute: LostForm(),
            EllipsisType: TextForm("Ellipsis", str, lambda _: ...),
            type: ReferenceForm("class", ref_of, self.resolve),
            FunctionType: ReferenceForm("function", ref_of, self.function),
        }
        self._by_kind[BuiltinFunctionType] = self._by_kind[FunctionType]
        self._by_tag: dict[str, Form] = {form.tag: form for form in self._by_kind.values()}
        for form in (self.error, IntForm(), FloatForm(), EscapedForm()):
            self._by_tag[form.tag] = form
        self._codecs: dict[object, Codec] = {}

    def _make_anything(self) -> Anything:
        return Anything(self)

    def _make_error(self) -> Form:
        return ErrorForm(self)

    def teach(self, forms: Mapping[type, Form]) -> None:
        """Add forms of exact classes, or put them in place of those that there are."""
        self._by_kind.update(forms)
        self._by_tag.update((form.tag, form) for form in forms.values())

    def resolve(self, ref: str) -> type | None:
        return self._known.resolve(ref)

    def function(self, ref: str) -> Callable[..., Any] | None:
        return self._known.function(ref)

    def learn(self, cls: type) -> None:
        if RECORDED not in vars(cls):
            self._known.add(cls)

    def stand_in(self, ref: str, mro: list[str]) -> type[BaseException]:
        return self._known.stand_in(ref, mro)

    def form_of(self, kind: type) -> Form:
        form = self._by_kind.get(kind)
        if form is None:
            form = self._by_kind[kind] = self._made(kind)
        return form

    def form_of_tag(self, tag: str) -> Form:
        form = self._by_tag.get(tag)
        if form is not None:
            return form
        for kind, form in pydantic_forms().items():
            if form.tag == tag:
                self._by_kind.setdefault(kind, form)
                return self._by_tag.setdefault(tag, form)
        cls = self.resolve(tag) if ":" in tag else None
        if cls is None:
            raise Failure(f"no registered code knows the class {tag!r}")
        try:
            return self.form_of(cls)
        except Refusal as refusal:
            raise Failure(refusal.problem) from None

    def codec_for(self, annotation: object) -> Codec:
        try:
            codec = self._codecs.get(annotation)
        except TypeError:
            return self._codec(annotation)
        if codec is None:
            codec = self._codecs[annotation] = self._codec(annotation)
        return codec

    def _codec(self, annotation: object) -> Codec:
        # What a class refers to may have been defined after the class was added.
        self._known.add(annotation)
        writes, reads = expectation(annotation, self)
        return Hinted(self.anything, writes, reads) if reads else self.anything

    def _made(self, kind: Any) -> Form:
        if issubclass(kind, BaseException):
            return self.error
        if issubclass(kind, type):
            return self._by_kind[type]
        if kind in ABSTRACT_PATHS:
            return self.form_of(ABSTRACT_PATHS[kind])
        for known, form in pydantic_forms().items():
            if kind is known:
                return form
        if issubclass(kind, UUID):
            # asyncpg gives its own subclass, which equals the plain one.
            return self.form_of(UUID)
        return self._user_form(kind)

    def _user_form(self, kind: Any) -> Form:
        if not self._known.knows(kind):
            where = self._known.meaningless.get(kind.__name__)
            advice = _advice(kind) if where is None else _MEANINGLESS.format(kind.__name__, where)
            raise Refusal(f"{_named(kind)} {advice}")
        tag = ref_of(kind)
        if issubclass(kind, Enum):
            return EnumForm(tag, kind)
        if is_model(kind):
            return model_form(tag, kind, self)
        if is_named_tuple(kind):
            return NamedTupleForm(tag, kind, self)
        if isabstract(kind) or kind.__module__ == "pydantic.main":
            raise Refusal(f"{_named(kind)} has no instances of its own")
        base = base_of(kind)
        if base is not None:
            return SubclassForm(tag, kind, base, self)
        return object_form(tag, kind, self)


def is_named_tuple(kind: type) -> bool:
    return issubclass(kind, tuple) and hasattr(cast("Any", kind), "_fields")


def is_data(kind: Any) -> bool:
    """Whether a class is plainly meant to be data, whoever knows it."""
    return (
        is_dataclass(kind)
        or is_model(kind)
        or issubclass(kind, Enum)
        or is_named_tuple(kind)
        or hasattr(kind, "__attrs_attrs__")
    )


def _named(kind: type) -> str:
    module = kind.__module__
    return kind.__qualname__ if module == "builtins" else f"{module}.{kind.__qualname__}"


_CALL = "is a call that was not awaited, so it never ran; write `await` before it"

_MEANINGLESS = (
    "cannot be stored: the name `{}` in an annotation of {} means nothing at run time; import it"
    " outside of `if TYPE_CHECKING:`"
)

#: What to do about types that people often return.
_ADVICE = {
    "asyncpg.Record": "cannot be stored; pass dict(record)",
    "sqlalchemy.orm.state.InstanceState": (
        "belongs to a database session; pass the data in a plain model, or the row's key"
    ),
    "builtins.generator": "cannot be stored; pass list(…)",
    "builtins.coroutine": "cannot be stored; await it first",
    "waymark.engine.awaitables.ActionCall": _CALL,
    "waymark.engine.awaitables.PolicedCall": _CALL,
    "waymark.engine.awaitables.ChildCall": _CALL,
    "waymark.engine.awaitables.HelperCall": _CALL,
    "waymark.engine.awaitables.SleepCall": _CALL,
    "waymark.engine.concurrency.future.Task": "cannot be stored; await it, and pass its result",
    "builtins.dict_keys": "cannot be stored; pass list(…)",
    "builtins.dict_values": "cannot be stored; pass list(…)",
    "builtins.dict_items": "cannot be stored; pass list(…)",
    "builtins.map": "cannot be stored; pass list(…)",
    "builtins.filter": "cannot be stored; pass list(…)",
    "builtins.zip": "cannot be stored; pass list(…)",
}


def _advice(kind: type) -> str:
    advice = _ADVICE.get(f"{kind.__module__}.{kind.__qualname__}")
    if advice is not None:
        return advice
    if kind.__module__ == "builtins" or kind.__module__.startswith("_"):
        return "cannot be stored; pass plain data instead"
    return (
        "cannot be stored: no annotation of an action or workflow reaches it; annotate what is "
        "passed or returned with it if it is data, else pass its fields"
    )
