"""The recorded form of an exception, faithful enough for `except` and for people.

An object with

    class, mro   names of its class and of all its bases below BaseException
    args         its arguments; for pydantic's error, `validation` instead
    attributes   what it stores besides: its dict, slots, and the fields that
                 built-in exceptions keep in C (`errno`, `start`, `name`, …)
    notes, cause, context, suppress, traceback (as text)
    members      of an exception group, with its message as the only argument

It is rebuilt by the `__new__` of the built-in class it derives from; neither
`__init__` nor any method of its own runs. What cannot be stored of it becomes a
`LostAttribute` and changes nothing else.
"""

from __future__ import annotations

import traceback
from types import BuiltinFunctionType, GetSetDescriptorType, MemberDescriptorType
from typing import Any, Final, Protocol, cast

from .codec import Decoding, Encoding, Failure, Lookup, Refusal, Tree, failed
from .items import checked
from .lost import LostAttribute
from .objects import ref_of
from .passes import encode
from .standin import RECORDED
from .text import read_text, text_of, write_text
from .validation import ValidationBody, validation_error_class

#: The attribute that holds the text of the traceback of a rebuilt exception.
TRACEBACK: Final = "_waymark_traceback"

#: Bounds of the recorded traceback: frames from each end, characters.
_FRAMES_MAX: Final = 40
_TRACEBACK_MAX: Final = 16_000

#: How far causes and contexts are followed; what lies beyond is left out.
_LINKS_MAX: Final = 30

#: Fields in C that are not recorded: those of a group are its arguments, and
#: `obj` is whatever an attribute was looked for on, which may be large or secret.
_UNRECORDED: Final = frozenset({"message", "exceptions", "obj"})


class _Lookup(Lookup, Protocol):
    def learn(self, cls: type) -> None: ...

    def stand_in(self, ref: str, mro: list[str]) -> type[BaseException]: ...


class ErrorForm:
    """Exceptions and exception groups of any class."""

    tag, shapes, tracked = "error", (dict,), True

    def __init__(self, lookup: _Lookup) -> None:
        self._lookup = lookup
        self._validation = ValidationBody()

    def write(self, value: BaseException, out: Encoding) -> Tree:
        if id(value) in out.probing:
            return None
        # What was raised in this process can be resolved in it.
        self._lookup.learn(type(value))
        ref, mro = _names(value)
        tree: dict[str, Tree] = {"class": ref, "mro": list(mro)}
        if is_group(type(value)):
            group = cast("BaseExceptionGroup[Any]", value)
            tree["args"] = [self._kept(group.message, out, value)]
            tree["members"] = [self._lookup.anything.encode(e, out) for e in group.exceptions]
        elif type(value) is validation_error_class():
            tree["validation"] = self._validation.write(value, out, self._kept)
        else:
            tree["args"] = [self._kept(argument, out, value) for argument in value.args]
        attributes = [
            [write_text(name, out), self._kept(item, out, value)]
            for name, item in _attributes(value).items()
        ]
        if attributes:
            tree["attributes"] = attributes
        self._write_links(value, tree, out)
        return tree

    def _write_links(self, value: BaseException, tree: dict[str, Tree], out: Encoding) -> None:
        notes = value.__dict__.get("__notes__")
        if notes:
            tree["notes"] = self._kept(list(notes), out, value)
        out.links += 1
        for name, linked in (("cause", value.__cause__), ("context", value.__context__)):
            too_far = linked is None or out.links > _LINKS_MAX
            if not too_far and not _is_open_group(linked, out):
                tree[name] = self._lookup.anything.encode(linked, out)
        out.links -= 1
        if value.__suppress_context__:
            tree["suppress"] = True
        text = traceback_text(value)
        if text:
            tree["traceback"] = write_text(text, out)

    def _kept(self, item: Any, out: Encoding, owner: BaseException) -> Tree:
        """The tree of something that the exception holds, or that it was lost.
        It is tried alone first, since a refusal halfway would leave `out` in
        disorder."""
        anything = self._lookup.anything
        if type(item) not in anything.direct:
            out.kept.append(item)
            try:
                encode(anything, item, probing=out.probing | {id(owner)})
            except Refusal as refusal:
                item = LostAttribute(refusal.path(type(item).__name__) + f": {refusal.problem}")
        return anything.encode(item, out)

    def read(self, tree: Tree, source: Decoding, number: int | None) -> BaseException:
        ref, mro = text_of(checked(tree, dict)["class"]), checked(tree["mro"], list)
        cls = self._lookup.resolve(ref)
        if "validation" in tree and validation_error_class() is not None:
            cls = validation_error_class()
        if cls is None or not issubclass(cls, BaseException):
            cls = self._lookup.stand_in(ref, [text_of(name) for name in mro])
        value = self._new(cls, tree, source, number)
        self._read_attributes(value, tree, source)
        return value

    def _new(
        self, cls: type[BaseException], tree: Tree, source: Decoding, number: int | None
    ) -> BaseException:
        """The instance with its arguments. Only a group and pydantic's error
        need theirs before they exist."""
        if "validation" in tree:
            return self._validation.read(tree["validation"], source, self._kept_or_lost)
        if is_group(cls):
            message = self._arguments(tree, source)[0]
            members = [_exception(self._decode(e, source)) for e in checked(tree["members"], list)]
            return new_exception(cls, (message, members))
        value = new_exception(cls, ())
        if number is not None:
            source.shared[number] = value
        value.args = self._arguments(tree, source)
        return value

    def _arguments(self, tree: Tree, source: Decoding) -> tuple[Any, ...]:
        return tuple(self._kept_or_lost(item, source) for item in checked(tree["args"], list))

    def _kept_or_lost(self, tree: Tree, source: Decoding) -> Any:
        """What the exception holds, or that it was lost: its class may be known
        only where the exception was raised."""
        try:
            return self._decode(tree, source)
        except Exception as error:  # noqa: BLE001 - damaged data may raise anything
            failure = failed(error, "")
            return LostAttribute(f"{failure.path('')} {failure.problem}".strip())

    def _decode(self, tree: Tree, source: Decoding) -> Any:
        return self._lookup.anything.decode(tree, source)

    def _read_attributes(self, value: BaseException, tree: Tree, source: Decoding) -> None:
        decode = self._decode
        stored = _stored(type(value))
        for name, item in checked(tree.get("attributes", []), list):
            _set(value, stored, read_text(name), self._kept_or_lost(item, source))
        if "notes" in tree:
            value.__dict__["__notes__"] = decode(tree["notes"], source)
        if "traceback" in tree:
            value.__dict__[TRACEBACK] = read_text(tree["traceback"])
        value.__cause__ = _exception(decode(tree.get("cause"), source))
        value.__context__ = _exception(decode(tree.get("context"), source))
        value.__suppress_context__ = tree.get("suppress") is True


def new_exception(cls: type[BaseException], arguments: tuple[Any, ...]) -> BaseException:
    """An instance made by the `__new__` of the built-in class it derives from."""
    for base in cls.__mro__:
        maker = vars(base).get("__new__")
        if isinstance(maker, BuiltinFunctionType):
            made: BaseException = base.__new__(cls, *arguments)
            return made
    raise Failure(f"{cls.__qualname__} is no exception")


def _names(value: BaseException) -> tuple[str, tuple[str, ...]]:
    """The names of the class and its bases; those recorded, for a stand-in."""
    recorded = vars(type(value)).get(RECORDED)
    if recorded is not None:
        ref, mro = recorded
        return ref, mro
    mro = type(value).__mro__
    below = mro[1 : max(mro.index(BaseException), 1)]
    return ref_of(mro[0]), tuple(map(ref_of, below))


def _stored(cls: type) -> dict[str, Any]:
    """The fields that classes above BaseException keep outside the dict."""
    found: dict[str, Any] = {}
    for base in cls.__mro__[: cls.__mro__.index(BaseException)]:
        for name, member in vars(base).items():
            if isinstance(member, (MemberDescriptorType, GetSetDescriptorType)):
                found.setdefault(name, member)
    for name in ("__dict__", "__weakref__", *_UNRECORDED):
        found.pop(name, None)
    return found


def _attributes(value: BaseException) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, member in _stored(type(value)).items():
        try:
            item = member.__get__(value)
        except AttributeError:
            continue
        if item is not None:
            found[name] = item
    found.update(value.__dict__)
    found.pop("__notes__", None)
    found.pop(TRACEBACK, None)
    return found


def _set(value: BaseException, stored: dict[str, Any], name: str, item: Any) -> None:
    member = stored.get(name)
    if member is None:
        value.__dict__[name] = item
        return
    try:
        member.__set__(value, item)
    except (AttributeError, TypeError):
        # A field that only C may set, or that now has another type.
        return


def _exception(value: Any) -> Any:
    if value is not None and not isinstance(value, BaseException):
        raise Failure(f"{type(value).__name__} in place of an exception")
    return value


def is_group(cls: type) -> bool:
    return issubclass(cls, BaseExceptionGroup)


def _is_open_group(value: BaseException | None, out: Encoding) -> bool:
    """Whether this is a group that is being written: it cannot be rebuilt before
    its members, so a member's link back to it is left out."""
    return is_group(type(value)) and id(value) in out.busy


def traceback_text(value: BaseException) -> str:
    """Where the exception came from, as text: what an earlier record of it says,
    else its own frames, oldest first. Empty when it was never raised."""
    recorded = value.__dict__.get(TRACEBACK)
    if isinstance(recorded, str):
        return recorded
    if value.__traceback__ is None:
        return ""
    frames = traceback.StackSummary.extract(traceback.walk_tb(value.__traceback__), limit=None)
    if len(frames) > 2 * _FRAMES_MAX:
        skipped = f"  … {len(frames) - 2 * _FRAMES_MAX} more frames …\n"
        lines = [*frames[:_FRAMES_MAX], *frames[-_FRAMES_MAX:]]
        parts = traceback.format_list(lines)
        parts.insert(_FRAMES_MAX, skipped)
    else:
        parts = traceback.format_list(frames)
    return "".join(parts)[-_TRACEBACK_MAX:]
