"""The catalogue of what pure code may call: callables, never whole modules.

Three tables, each by name and each a list of what is *allowed*; whatever is not
listed is refused. Nothing here imports the things it names: the host hands the
engine the modules, and the compiler finds them by identity.

-   `BUILTINS`: names that code may use without an entry in a function's table.
-   `STDLIB`: dotted paths by which a `Name` of kind `stdlib` may be used, also as
    an attribute of one (`datetime.datetime` then `.now`).
-   `METHODS` and `ATTRIBUTES`: what may be reached on a *value*, by the name of
    its type (`type_key`). Values of users' own classes are not listed: their
    methods and properties go through the tape.

Kinds of an operation: `compute` is deterministic and may be evaluated again,
`recorded` is free of side effects but not repeatable and goes through the tape,
`clock` reads the run's own clock, `awaitable` yields something to await,
`concurrency`, `definition` and `primitive` are asyncio's (see `concurrency`),
`class` is a type that may be called, matched and tested for, `context` stands in
a `with` and nowhere else, `module` and `constant` are read only.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from . import concurrency
from .methods import ATTRIBUTES, METHODS, type_key

__all__ = [
    "ATTRIBUTES",
    "ATTRIBUTE_CALLS",
    "BUILTINS",
    "METHODS",
    "NAMING",
    "STDLIB",
    "STDLIB_MODULES",
    "TEMPLATE_METHODS",
    "Kind",
    "Operation",
    "operation_at",
    "type_key",
]

Kind: TypeAlias = Literal[
    "compute",
    "recorded",
    "clock",
    "awaitable",
    "concurrency",
    "definition",
    "primitive",
    "class",
    "context",
    "module",
    "constant",
]


@dataclass(frozen=True, slots=True)
class Operation:
    """One allowed callable, class, module or constant.

    `arguments_max` bounds the positional arguments (None: as many as it takes),
    `keywords` lists the keyword arguments it may be given (None: any but those
    in `refused_keywords`). A call that spreads (`*`, `**`) is refused where
    either bound is set. `arguments_min` is how many positional ones it must have.
    """

    kind: Kind
    arguments_max: int | None = None
    keywords: frozenset[str] | None = None
    refused_keywords: frozenset[str] = frozenset()
    arguments_min: int = 0

    @property
    def bounded(self) -> bool:
        """Whether a call must show its arguments plainly."""
        return (
            self.arguments_max is not None
            or self.keywords is not None
            or bool(self.refused_keywords)
        )


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _exceptions() -> Iterable[str]:
    for name, value in vars(builtins).items():
        if isinstance(value, type) and issubclass(value, BaseException):
            yield name


def _builtin_table() -> dict[str, Operation]:
    table = {
        name: Operation("compute")
        for name in _words(
            "abs all any ascii bin callable chr divmod enumerate filter format hex"
            " isinstance issubclass len map max min next oct ord pow repr reversed"
            " round slice sorted sum zip"
        )
    }
    for name in _words(
        "bool bytearray bytes complex dict float frozenset int list range set str tuple"
    ):
        table[name] = Operation("class")
    for name in _exceptions():
        table[name] = Operation("class")
    table["Ellipsis"] = table["NotImplemented"] = Operation("constant")
    # `type(name, bases, namespace)` makes classes and `iter(call, sentinel)` drives
    # a callable: both reach beyond values.
    table["type"] = Operation("class", arguments_max=1, keywords=frozenset())
    table["iter"] = Operation("compute", arguments_max=1, keywords=frozenset())
    table["object"] = Operation("class", arguments_max=0, keywords=frozenset())
    return table


#: Names that code may use with no entry in the function's table.
BUILTINS: Mapping[str, Operation] = _builtin_table()

#: Builtins that name an attribute, with how many arguments they take. Allowed only
#: called, with a literal name, which is judged as if it stood behind a dot.
ATTRIBUTE_CALLS: Mapping[str, tuple[int, int]] = {
    "getattr": (2, 3),
    "hasattr": (2, 2),
    "setattr": (3, 3),
    "delattr": (2, 2),
}

#: Functions that name attributes or a method in their first argument(s), as above.
NAMING = frozenset({"operator.attrgetter", "operator.methodcaller"})

#: Methods whose text can walk attributes (`"{0.__class__}"`). `format` is allowed on
#: templates with plain fields: the checker reads literals and constants, a guard the rest.
TEMPLATE_METHODS = frozenset({"format", "format_map"})

_HASHES = "blake2b blake2s md5 sha1 sha224 sha256 sha384 sha512 sha3_224 sha3_256 sha3_384 sha3_512"
_PATH = "basename commonpath commonprefix dirname isabs join normpath split splitext"

_COMPUTE = {
    "math": "acos acosh asin asinh atan atan2 atanh cbrt ceil comb copysign cos cosh degrees"
    " dist erf erfc exp exp2 expm1 fabs factorial floor fmod frexp fsum gamma gcd hypot"
    " isclose isfinite isinf isnan isqrt lcm ldexp lgamma log log10 log1p log2 modf"
    " nextafter perm pow prod radians remainder sin sinh sqrt sumprod tan tanh trunc ulp",
    "re": "compile search match fullmatch split findall finditer sub subn escape",
    "itertools": "accumulate chain chain.from_iterable combinations"
    " combinations_with_replacement compress dropwhile filterfalse groupby islice pairwise"
    " permutations product starmap takewhile tee zip_longest batched",
    "functools": "reduce partial cmp_to_key",
    "operator": "abs add and_ concat contains countOf eq floordiv ge getitem gt index indexOf"
    " inv invert is_ is_not le lshift lt matmul mod mul ne neg not_ or_ pos pow rshift sub"
    " truediv truth xor itemgetter setitem delitem iadd iand iconcat"
    " ifloordiv ilshift imatmul imod imul ior ipow irshift isub itruediv ixor",
    "statistics": "fmean geometric_mean harmonic_mean mean median median_grouped median_high"
    " median_low mode multimode pstdev pvariance quantiles stdev variance correlation"
    " covariance linear_regression",
    "uuid": "uuid3 uuid5",
    "hashlib": _HASHES + " new",
    "hmac": "compare_digest digest new",
    "zlib": "adler32 crc32 decompress",
    "random": "Random",
    "struct": "calcsize iter_unpack pack unpack unpack_from",
    "shlex": "join quote split",
    "csv": "reader DictReader",
    "posixpath": _PATH,
    "os": " ".join(f"path.{name}" for name in _PATH.split()),
    "base64": "b16decode b16encode b32decode b32encode b64decode b64encode b85decode b85encode"
    " standard_b64decode standard_b64encode urlsafe_b64decode urlsafe_b64encode",
    "binascii": "crc32 hexlify unhexlify",
    "html": "escape unescape",
    "string": "capwords",
    "textwrap": "dedent fill indent shorten wrap",
    "urllib.parse": "parse_qs parse_qsl quote quote_plus unquote unquote_plus urldefrag"
    " urlencode urljoin urlparse urlsplit urlunparse urlunsplit",
    "bisect": "bisect bisect_left bisect_right insort insort_left insort_right",
    "heapq": "heapify heappop heappush heappushpop heapreplace merge nlargest nsmallest",
    "calendar": "isleap leapdays monthcalendar monthrange weekday timegm",
    "difflib": "context_diff get_close_matches ndiff unified_diff",
    "fnmatch": "filter fnmatch fnmatchcase translate",
    "unicodedata": "category combining normalize name lookup",
    "colorsys": "hls_to_rgb hsv_to_rgb rgb_to_hls rgb_to_hsv",
    "ipaddress": "ip_address ip_network ip_interface",
    "datetime": "datetime.fromisoformat datetime.combine datetime.strptime"
    " datetime.fromordinal datetime.fromisocalendar date.fromisoformat date.fromordinal"
    " date.fromisocalendar time.fromisoformat",
    "decimal": "Decimal.from_float",
    "dataclasses": "fields is_dataclass",
    "fractions": "Fraction.from_float Fraction.from_decimal",
}

_RECORDED = {
    "datetime": "datetime.now datetime.utcnow datetime.today date.today"
    " datetime.fromtimestamp datetime.utcfromtimestamp date.fromtimestamp",
    "time": "time time_ns",
    "uuid": "uuid1 uuid4 uuid6 uuid7 uuid8",
    "random": "betavariate choice choices expovariate gammavariate gauss getrandbits"
    " lognormvariate normalvariate paretovariate randbytes randint random randrange sample"
    " triangular uniform vonmisesvariate weibullvariate",
    "secrets": "choice randbelow randbits token_bytes token_hex token_urlsafe compare_digest",
    "os": "urandom",
    "copy": "copy deepcopy replace",
    "dataclasses": "replace asdict astuple",
    "zlib": "compress",
}

_CLOCK = {"time": "monotonic monotonic_ns perf_counter perf_counter_ns"}

_CLASSES = {
    "datetime": "datetime date time timedelta timezone",
    "decimal": "Decimal DecimalException InvalidOperation DivisionByZero",
    "fractions": "Fraction",
    "uuid": "UUID",
    "collections": "Counter OrderedDict defaultdict deque ChainMap",
    "collections.abc": "Collection Container Hashable Iterable Iterator Mapping MutableMapping"
    " MutableSequence MutableSet Sequence Set Sized",
    "numbers": "Integral Number Real",
    "pathlib": "Path PurePath PurePosixPath PureWindowsPath",
    "enum": "Enum IntEnum StrEnum Flag IntFlag",
    "zoneinfo": "ZoneInfo",
    "re": "Pattern Match error",
    "json": "JSONDecodeError",
    "string": "Template",
    "graphlib": "TopologicalSorter CycleError",
    "statistics": "StatisticsError",
    "struct": "error",
    "binascii": "Error",
    "csv": "Error",
    "asyncio": "CancelledError TimeoutError InvalidStateError",
    "ipaddress": "IPv4Address IPv6Address IPv4Network IPv6Network",
}

_CONSTANTS = {
    "math": "pi e tau inf nan",
    "datetime": "UTC MINYEAR MAXYEAR timezone.utc datetime.min datetime.max date.min date.max"
    " time.min time.max timedelta.min timedelta.max timedelta.resolution",
    "re": "A ASCII I IGNORECASE M MULTILINE S DOTALL X VERBOSE NOFLAG U UNICODE",
    "string": "ascii_letters ascii_lowercase ascii_uppercase digits hexdigits octdigits"
    " punctuation whitespace printable",
    "decimal": "ROUND_CEILING ROUND_DOWN ROUND_FLOOR ROUND_HALF_DOWN ROUND_HALF_EVEN"
    " ROUND_HALF_UP ROUND_UP ROUND_05UP",
    "uuid": "NAMESPACE_DNS NAMESPACE_OID NAMESPACE_URL NAMESPACE_X500",
    "asyncio": "FIRST_COMPLETED FIRST_EXCEPTION ALL_COMPLETED",
    "sys": "maxsize",
    "calendar": "MONDAY TUESDAY WEDNESDAY THURSDAY FRIDAY SATURDAY SUNDAY",
}

# A hook is called with a value, which the body might do itself; `cls` would be
# made and driven by the library.
_DUMPS_KEYWORDS = "ensure_ascii indent separators sort_keys allow_nan skipkeys default"
_LOADS_KEYWORDS = "object_hook object_pairs_hook parse_float parse_int parse_constant"
_SPECIAL = {
    "json.dumps": Operation("compute", 1, _words(_DUMPS_KEYWORDS)),
    "json.loads": Operation("compute", 1, _words(_LOADS_KEYWORDS)),
    "itertools.count": Operation("compute"),
    "itertools.cycle": Operation("compute"),
    "itertools.repeat": Operation("compute"),
    "asyncio.sleep": Operation("awaitable", 2, _words("delay result")),
    "typing.cast": Operation("compute", 2, frozenset()),
    "contextlib.suppress": Operation("context"),
    "operator.attrgetter": Operation("compute", keywords=frozenset(), arguments_min=1),
    "operator.methodcaller": Operation(
        "compute", refused_keywords=frozenset({"format", "format_map"}), arguments_min=1
    ),
    # Without a seed it would take one from the machine.
    "random.Random": Operation("compute", 1, frozenset(), arguments_min=1),
}


def _stdlib_table() -> dict[str, Operation]:
    table: dict[str, Operation] = {}
    kinds: tuple[tuple[Kind, Mapping[str, str]], ...] = (
        ("compute", _COMPUTE),
        ("recorded", _RECORDED),
        ("clock", _CLOCK),
        ("class", _CLASSES),
        ("constant", _CONSTANTS),
    )
    for kind, modules in kinds:
        for module, names in modules.items():
            for name in names.split():
                table[f"{module}.{name}"] = Operation(kind)
    table.update(_SPECIAL)
    table.update((path, Operation(kind)) for path, kind in concurrency.paths().items())
    for module in _modules_of(table):
        table[module] = Operation("module")
    return table


def _modules_of(paths: Iterable[str]) -> set[str]:
    known = {"urllib", "urllib.parse", "collections.abc", "os.path"}
    return known | {path.split(".", 1)[0] for path in paths} - {"waymark"}


#: Everything of the standard library that code may name, by dotted path.
STDLIB: Mapping[str, Operation] = _stdlib_table()

#: Importable modules that some path of `STDLIB` begins with.
STDLIB_MODULES: frozenset[str] = frozenset(
    path for path, operation in STDLIB.items() if operation.kind == "module"
)

#: Class methods of builtin types, and how they are reached.
_BUILTIN_CLASS_METHODS = frozenset(
    {
        "bytearray.fromhex",
        "bytes.fromhex",
        "dict.fromkeys",
        "float.fromhex",
        "int.from_bytes",
        "str.maketrans",
    }
)


#: What the base class of all workflows gives a body, behind `self.`.
OWN: Mapping[str, Operation] = {
    "waymark.run_action": Operation("awaitable", 1, _words("retry timeout total_timeout")),
    "waymark.wait_for_event": Operation("definition"),
}


def operation_at(path: str) -> Operation | None:
    """The operation that a dotted path names, None when it is not allowed.

    The path begins with a builtin or with the `ref` of a `stdlib` name. A method
    may be named through its type (`str.lower`, `datetime.datetime.isoformat`).
    """
    found = STDLIB.get(path) or BUILTINS.get(path) or OWN.get(path)
    if found is not None:
        return found
    if path in _BUILTIN_CLASS_METHODS:
        return Operation("compute")
    owner, _, name = path.rpartition(".")
    if name in ATTRIBUTES.get(owner, ()):
        return Operation("constant")
    kind = METHODS.get(owner, {}).get(name)
    return None if kind is None else Operation(kind)
