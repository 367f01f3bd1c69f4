"""The recorded form of a call's arguments: `{"name": value, …}` of what was
passed. Defaults are not recorded, so that a later one applies; `*args` stand
under `"*name"` as an array, `**kwargs` under `"**name"` as an object.

Most calls pass a few scalars by position or name. These take one loop over the
arguments and one call into C (`pack`), or just the latter (`unpack`).
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from types import CodeType, FunctionType
from typing import Any, Final, TypeAlias

import orjson

from ..errors import ValueDecodeError, ValueEncodeError
from .codec import Codec, Decoding, Encoding, Failure, Refusal, Tree, failed, kind_of
from .items import checked, decode_items, encode_items
from .passes import encode, parse
from .registry import TypeRegistry
from .text import read_text, write_text

_TAGGED: Final = b'"$t"'
_KINDS = inspect.Parameter
_POSITIONAL: Final = (_KINDS.POSITIONAL_ONLY, _KINDS.POSITIONAL_OR_KEYWORD)

_NO_TYPES: frozenset[type] = frozenset()

#: The bytes of a call's arguments, and the arguments by name where all are plain scalars.
RecordedArguments: TypeAlias = tuple[bytes, Mapping[str, Any] | None]


class Arguments:
    """How the arguments of one function are bound, written and read."""

    __slots__ = (
        "_all_positional",
        "_codecs",
        "_direct",
        "_extra",
        "_name",
        "_named",
        "_positional",
        "_positional_only",
        "_required",
        "_rest",
        "_signature",
        "_simple",
        "_stub",
    )

    def __init__(self, signature: inspect.Signature, codecs: dict[str, Codec], name: str) -> None:
        parameters = signature.parameters.values()
        self._signature = signature
        self._name = name
        self._stub: FunctionType | None = None
        self._codecs = codecs
        self._direct = {key: codec.direct for key, codec in codecs.items()}
        self._positional = tuple(p.name for p in parameters if p.kind in _POSITIONAL)
        self._positional_only = tuple(
            p.name for p in parameters if p.kind is _KINDS.POSITIONAL_ONLY
        )
        self._named = frozenset(
            p.name
            for p in parameters
            if p.kind in (_KINDS.POSITIONAL_OR_KEYWORD, _KINDS.KEYWORD_ONLY)
        )
        self._rest = next((p.name for p in parameters if p.kind is _KINDS.VAR_POSITIONAL), None)
        self._extra = next((p.name for p in parameters if p.kind is _KINDS.VAR_KEYWORD), None)
        self._required = frozenset(
            p.name
            for p in parameters
            if p.default is p.empty and p.kind not in (_KINDS.VAR_POSITIONAL, _KINDS.VAR_KEYWORD)
        )
        self._simple = not (self._positional_only or self._rest or self._extra)
        #: How many arguments give all parameters by position, -1 where none can.
        self._all_positional = len(codecs) if len(codecs) == len(self._positional) else -1

    @classmethod
    def for_signature(
        cls,
        signature: inspect.Signature,
        hints: Mapping[str, object],
        types: TypeRegistry,
        name: str,
    ) -> Arguments:
        """For a signature without `self` and injected parameters. `name` stands
        in the messages of TypeErrors."""
        codecs: dict[str, Codec] = {}
        for parameter in signature.parameters:
            hint = hints.get(parameter, Any)
            types.add(hint)
            codecs[parameter] = types.forms.codec_for(hint)
        return cls(signature, codecs, name)

    def misfit(self, positional: int, named: Iterable[str]) -> str | None:
        """Why a call with so many positional arguments, and these named ones, would not
        bind, in Python's words; None when it would."""
        try:
            self._signature.bind(*[None] * positional, **dict.fromkeys(named))
        except TypeError as error:
            return str(error)
        return None

    def pack(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any], path: str = "arguments"
    ) -> bytes:
        """Binds and writes the arguments. Raises TypeError in Python's words when
        they do not fit, ValueEncodeError when one cannot be stored. Lists and
        dicts shared between arguments stay shared."""
        return self.record(args, kwargs, path)[0]

    def record(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any], path: str = "arguments"
    ) -> RecordedArguments:
        """What `pack` gives, and with it the arguments by name where all are plain
        scalars. These are what `unpack` would give, so nobody need call it."""
        bound = self._directly(args, kwargs) if self._simple else None
        if bound is not None:
            try:
                return b"%b" % orjson.dumps(bound), bound  # a copy: see to_bytes
            except TypeError:
                pass
        return self._pack_any(args, kwargs, path), None

    def _directly(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> Mapping[str, Any] | None:
        """The bound arguments where they fit and each is of a type that JSON stores
        as it is. Else None. All by position and all by name need fewer looks."""
        if not kwargs and len(args) == self._all_positional:
            # Lengths are equal; saying `strict` costs as much as the rest.
            bound: Mapping[str, Any] = dict(zip(self._positional, args))  # noqa: B905
        elif not args and len(kwargs) == len(self._direct):
            bound = kwargs
        else:
            bound = {**dict(zip(self._positional, args, strict=False)), **kwargs}
            if len(bound) != len(args) + len(kwargs) or not self._required <= bound.keys():
                return None
        direct = self._direct
        for key, value in bound.items():
            if type(value) not in direct.get(key, _NO_TYPES):
                return None
        return bound

    def _pack_any(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], path: str) -> bytes:
        bound = self._bind(args, kwargs)
        try:
            return encode(_Call(self), bound)
        except Refusal as refusal:
            raise ValueEncodeError(refusal.path(path), refusal.problem) from refusal

    def _bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """What was passed, by recorded name."""
        if self._stub is None:
            self._stub = _stub(self._signature, self._name)
        self._stub(*args, **kwargs)
        bound = dict(zip(self._positional, args, strict=False))
        if len(args) > len(self._positional):
            bound[f"*{self._rest}"] = args[len(self._positional) :]
        extra: dict[str, Any] = {}
        for key, value in kwargs.items():
            (bound if key in self._named else extra)[key] = value
        if extra:
            bound[f"**{self._extra}"] = extra
        return bound

    def unpack(
        self, data: bytes, path: str = "arguments", *, run: bool = False
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The positional and named arguments again, with which the function can
        be called. With `run`, sets are `OrderedSet`s. Raises ValueDecodeError
        when they no longer fit."""
        try:
            if self._simple and _TAGGED not in data:
                bound: Any = orjson.loads(data)
                direct = self._direct
                # As many as there are, and each known: then none is missing.
                if kind_of(bound) is dict and (
                    len(bound) == len(direct) or self._required <= bound.keys()
                ):
                    for key, value in bound.items():
                        if type(value) not in direct.get(key, _NO_TYPES):
                            break
                    else:
                        return (), bound
            return self._unpack_any(parse(data), run=run)
        except Failure as failure:
            raise ValueDecodeError(failure.path(path), failure.problem) from failure
        except orjson.JSONDecodeError as error:
            raise ValueDecodeError(path, f"not JSON text ({error})") from None

    def _unpack_any(self, tree: Tree, *, run: bool) -> tuple[tuple[Any, ...], dict[str, Any]]:
        try:
            bound = _Call(self).decode(tree, Decoding(run=run))
        except Exception as error:
            raise failed(error, "") from error
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        rest = bound.pop(f"*{self._rest}", ())
        extra = bound.pop(f"**{self._extra}", {})
        self._check(bound)
        by_position = self._positional if rest else self._positional_only
        for name in by_position:
            if name not in bound:
                break
            args.append(bound.pop(name))
        kwargs.update(bound)
        kwargs.update(extra)
        return (*args, *rest), kwargs

    def _check(self, bound: dict[str, Any]) -> None:
        missing = self._required - bound.keys()
        unknown = bound.keys() - self._codecs.keys()
        if missing or unknown:
            names = ", ".join(sorted(map(repr, missing or unknown)))
            what = "were not recorded" if missing else "are no longer its parameters"
            raise Failure(f"the recorded arguments do not fit {self._name}(): {names} {what}")

    def encode_bound(self, bound: dict[str, Any], out: Encoding) -> Tree:
        """The tree of bound arguments; identities are kept across all of them."""
        tree: dict[str, Tree] = {}
        for key, value in bound.items():
            codec = self._codecs[key.lstrip("*")]
            try:
                if key.startswith("**"):
                    tree[key] = _encode_named(codec, value, out)
                elif key.startswith("*"):
                    tree[key] = encode_items(codec, value, out)
                else:
                    tree[key] = codec.encode(value, out)
            except Refusal as refusal:
                refusal.parts.append(f".{key.lstrip('*')}")
                raise
        return tree

    def decode_bound(self, tree: Tree, source: Decoding) -> dict[str, Any]:
        bound: dict[str, Any] = {}
        for key, item in checked(tree, dict).items():
            codec = self._codecs.get(key.lstrip("*"))
            if codec is None:
                # Reported with all others once everything is read.
                bound[key] = None
                continue
            try:
                if key.startswith("**"):
                    pairs = checked(item, list)
                    bound[key] = {read_text(name): codec.decode(v, source) for name, v in pairs}
                elif key.startswith("*"):
                    bound[key] = decode_items(codec, item, source, [])
                else:
                    bound[key] = codec.decode(item, source)
            except Exception as error:
                raise failed(error, f".{key.lstrip('*')}") from error
        return bound


class _Call:
    """The codec of a whole call."""

    __slots__ = ("_arguments", "direct")

    def __init__(self, arguments: Arguments) -> None:
        self._arguments = arguments
        self.direct: frozenset[type] = frozenset()

    def encode(self, value: Any, out: Encoding) -> Tree:
        return self._arguments.encode_bound(value, out)

    def decode(self, tree: Tree, source: Decoding) -> Any:
        return self._arguments.decode_bound(tree, source)


def _encode_named(codec: Codec, values: dict[str, Any], out: Encoding) -> Tree:
    """Pairs, as a keyword may be any text."""
    pairs: list[Tree] = []
    try:
        for name, value in values.items():
            pairs.append([write_text(name, out), codec.encode(value, out)])
    except Refusal as refusal:
        refusal.parts.append(f"[{list(values)[len(pairs)]!r}]")
        raise
    return pairs


def _stub(signature: inspect.Signature, name: str) -> FunctionType:
    """A function of this signature that does nothing: whether arguments fit, and
    the words when they do not, are Python's own."""
    parameters = list(signature.parameters.values())
    ordered = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    rest = [p for p in parameters if p.kind is p.VAR_POSITIONAL]
    extra = [p for p in parameters if p.kind is p.VAR_KEYWORD]
    names = tuple(p.name for p in (*ordered, *rest, *extra))
    only = sum(p.kind is p.POSITIONAL_ONLY for p in ordered)
    keyword = sum(p.kind is p.KEYWORD_ONLY for p in ordered)
    flags = inspect.CO_OPTIMIZED | inspect.CO_NEWLOCALS
    code: CodeType = (lambda: None).__code__.replace(
        co_argcount=len(ordered) - keyword,
        co_posonlyargcount=only,
        co_kwonlyargcount=keyword,
        co_nlocals=len(names),
        co_varnames=names,
        co_flags=flags
        | (inspect.CO_VARARGS if rest else 0)
        | (inspect.CO_VARKEYWORDS if extra else 0),
        co_name=name,
        co_qualname=name,
    )
    defaults = tuple(
        p.default for p in ordered if p.kind in _POSITIONAL and p.default is not p.empty
    )
    stub = FunctionType(code, {}, name, defaults)
    stub.__kwdefaults__ = {
        p.name: p.default for p in ordered if p.kind is p.KEYWORD_ONLY and p.default is not p.empty
    }
    stub.__qualname__ = name
    return stub
