"""What pure code may reach on a value, by the name of the value's type.

`METHODS[type][name]` is `compute` or `recorded`; `ATTRIBUTES[type]` lists plain
data. A type that is not listed is either a user's own (its methods and
properties go through the tape) or out of reach.

`str.format` and `str.format_map` are missing on purpose: their templates walk
attributes. The checker reads a template that is a literal or a constant, and the
guard of a dot reads any other (`engine.guards`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from . import concurrency

MethodKind: TypeAlias = Literal["compute", "recorded"]

_INT = "as_integer_ratio bit_count bit_length conjugate is_integer to_bytes"
_LIST = "append clear copy count extend index insert pop remove reverse sort"
_DICT = "clear copy get items keys pop popitem setdefault update values"
_FROZENSET = (
    "copy difference intersection isdisjoint issubset issuperset symmetric_difference union"
)
_SET = (
    _FROZENSET + " add clear difference_update discard intersection_update pop remove"
    " symmetric_difference_update update"
)
_DATE = (
    "ctime isocalendar isoformat isoweekday replace strftime timetuple toordinal weekday"
    " fromisoformat fromordinal fromisocalendar"
)
_TEXT = (
    "capitalize center count endswith expandtabs find index isalnum isalpha isascii isdigit"
    " islower isspace istitle isupper join ljust lower lstrip partition removeprefix"
    " removesuffix replace rfind rindex rjust rpartition rsplit rstrip split splitlines"
    " startswith strip swapcase title translate upper zfill"
)
_BYTES = _TEXT.replace("capitalize", "capitalize decode hex")
_PURE_PATH = (
    "as_posix as_uri is_absolute is_relative_to joinpath match relative_to with_name"
    " with_segments with_stem with_suffix"
)
_HASH = "digest hexdigest copy update"
_RANDOM = (
    "betavariate choice choices expovariate gammavariate gauss getrandbits lognormvariate"
    " normalvariate paretovariate randbytes randint random randrange sample shuffle triangular"
    " uniform vonmisesvariate weibullvariate"
)
_NETWORK = "hosts overlaps subnets supernet subnet_of supernet_of address_exclude"
_DECIMAL = (
    "adjusted as_integer_ratio as_tuple canonical compare compare_signal compare_total"
    " conjugate copy_abs copy_negate copy_sign exp fma is_canonical is_finite is_infinite"
    " is_nan is_normal is_qnan is_signed is_snan is_subnormal is_zero ln log10 logb max min"
    " next_minus next_plus next_toward normalize number_class quantize radix remainder_near"
    " rotate same_quantum scaleb shift sqrt to_eng_string to_integral_exact"
    " to_integral_value"
)

_COMPUTE_METHODS = {
    "str": _TEXT + " casefold encode isdecimal isidentifier isnumeric isprintable",
    "bytes": _BYTES,
    "bytearray": _BYTES + " append clear copy extend insert pop remove reverse",
    "int": _INT,
    "bool": _INT,
    "float": "as_integer_ratio conjugate hex is_integer",
    "complex": "conjugate",
    "list": _LIST,
    "tuple": "count index",
    "range": "count index",
    "dict": _DICT,
    "dict_keys": "isdisjoint",
    "dict_items": "isdisjoint",
    "set": _SET,
    "frozenset": _FROZENSET,
    "slice": "indices",
    "datetime.date": _DATE,
    "datetime.datetime": _DATE + " date dst time timetz tzname utcoffset utctimetuple combine",
    "datetime.time": "dst isoformat replace strftime tzname utcoffset fromisoformat",
    "datetime.timedelta": "total_seconds",
    "datetime.timezone": "dst fromutc tzname utcoffset",
    "zoneinfo.ZoneInfo": "dst fromutc tzname utcoffset",
    "datetime.IsoCalendarDate": "count index",
    "time.struct_time": "count index",
    "decimal.Decimal": _DECIMAL,
    "fractions.Fraction": "as_integer_ratio is_integer limit_denominator",
    "re.Pattern": "findall finditer fullmatch match search split sub subn",
    "re.Match": "end expand group groupdict groups span start",
    "collections.deque": "append appendleft clear copy count extend extendleft index insert pop"
    " popleft remove reverse rotate",
    "collections.Counter": _DICT + " elements most_common subtract total",
    "collections.OrderedDict": _DICT + " move_to_end",
    "collections.defaultdict": _DICT,
    "collections.ChainMap": _DICT + " new_child",
    "itertools.groupby": "",
    "pathlib.PurePath": _PURE_PATH,
    "pathlib.PurePosixPath": _PURE_PATH,
    "pathlib.PureWindowsPath": _PURE_PATH,
    "pathlib.Path": _PURE_PATH,
    "pathlib.PosixPath": _PURE_PATH,
    "pathlib.WindowsPath": _PURE_PATH,
    "hashlib.HASH": _HASH,
    "hashlib.blake2b": _HASH,
    "hashlib.blake2s": _HASH,
    "ipaddress.IPv4Network": _NETWORK,
    "ipaddress.IPv6Network": _NETWORK,
    "urllib.parse.ParseResult": "geturl count index _replace _asdict",
    "urllib.parse.SplitResult": "geturl count index _replace _asdict",
    "BaseException": "add_note with_traceback",
    "BaseExceptionGroup": "add_note derive split subgroup with_traceback",
    "statistics.LinearRegression": "count index _replace _asdict",
    "hmac.HMAC": _HASH,
    "string.Template": "get_identifiers is_valid safe_substitute substitute",
    "graphlib.TopologicalSorter": "add done get_ready is_active prepare static_order",
    "random.Random": _RANDOM,
}

# The local zone is the machine's, not the run's.
_RECORDED_METHODS = {"datetime.datetime": "astimezone timestamp"}

_PATH_DATA = "anchor drive name parent parents parts root stem suffix suffixes"
_ADDRESS_DATA = (
    "compressed exploded is_global is_link_local is_loopback is_multicast is_private"
    " is_reserved is_unspecified max_prefixlen packed reverse_pointer version"
)
_NETWORK_DATA = (
    _ADDRESS_DATA + " broadcast_address hostmask netmask network_address num_addresses prefixlen"
)
_URL_DATA = "scheme netloc path query fragment username password hostname port"

_ATTRIBUTES = {
    "int": "denominator imag numerator real",
    "bool": "denominator imag numerator real",
    "float": "imag real",
    "complex": "imag real",
    "range": "start step stop",
    "slice": "start step stop",
    "datetime.date": "year month day",
    "datetime.datetime": "year month day hour minute second microsecond tzinfo fold",
    "datetime.time": "hour minute second microsecond tzinfo fold",
    "datetime.timedelta": "days seconds microseconds",
    "datetime.IsoCalendarDate": "year week weekday",
    "time.struct_time": "tm_year tm_mon tm_mday tm_hour tm_min tm_sec tm_wday tm_yday tm_isdst",
    "zoneinfo.ZoneInfo": "key",
    "decimal.Decimal": "imag real",
    "decimal.DecimalTuple": "sign digits exponent",
    "fractions.Fraction": "numerator denominator imag real",
    "uuid.UUID": "bytes bytes_le clock_seq fields hex int is_safe node time urn variant version",
    "re.Pattern": "flags groupindex groups pattern",
    "re.Match": "endpos lastgroup lastindex pos re string",
    "collections.deque": "maxlen",
    "collections.defaultdict": "default_factory",
    "collections.ChainMap": "parents",
    "functools.partial": "args func keywords",
    "pathlib.PurePath": _PATH_DATA,
    "pathlib.PurePosixPath": _PATH_DATA,
    "pathlib.PureWindowsPath": _PATH_DATA,
    "pathlib.Path": _PATH_DATA,
    "pathlib.PosixPath": _PATH_DATA,
    "pathlib.WindowsPath": _PATH_DATA,
    "hashlib.HASH": "block_size digest_size name",
    "hashlib.blake2b": "block_size digest_size name",
    "hashlib.blake2s": "block_size digest_size name",
    "ipaddress.IPv4Address": _ADDRESS_DATA,
    "ipaddress.IPv6Address": _ADDRESS_DATA + " ipv4_mapped sixtofour teredo",
    "ipaddress.IPv4Network": _NETWORK_DATA,
    "ipaddress.IPv6Network": _NETWORK_DATA,
    "urllib.parse.ParseResult": _URL_DATA + " params",
    "urllib.parse.SplitResult": _URL_DATA,
    "urllib.parse.DefragResult": "url fragment",
    "statistics.LinearRegression": "slope intercept",
    "hmac.HMAC": "block_size digest_size name",
    "string.Template": "template",
    "csv.DictReader": "fieldnames line_num",
    "csv.reader": "line_num",
    "dataclasses.Field": "name",
    "waymark.graph.policies.RetryPolicy": "attempts exception_types backoff_seconds"
    " backoff_multiplier max_backoff_seconds jitter",
    "BaseException": "args __notes__ __cause__ __context__ __suppress_context__",
    "BaseExceptionGroup": "args exceptions message",
    "OSError": "errno filename filename2 strerror",
    "StopIteration": "value",
    "KeyError": "args",
    "ImportError": "msg name path",
    "NameError": "name",
    "AttributeError": "name",
    "SystemExit": "code",
    "UnicodeDecodeError": "encoding end object reason start",
    "UnicodeEncodeError": "encoding end object reason start",
    "json.JSONDecodeError": "colno doc lineno msg pos",
    "re.error": "colno lineno msg pattern pos",
}

#: Where a type's own module is an implementation detail of its library.
_HOME = {
    "json.decoder": "json",
    "_hashlib": "hashlib",
    "_blake2": "hashlib",
    "zoneinfo._zoneinfo": "zoneinfo",
    "pathlib._local": "pathlib",
    "re._constants": "re",
    **{f"waymark.engine.concurrency.{name}": "waymark" for name in concurrency.MODULES},
    "_csv": "csv",
}


def _method_table() -> dict[str, Mapping[str, MethodKind]]:
    table: dict[str, dict[str, MethodKind]] = {}
    for owner, names in (_COMPUTE_METHODS | concurrency.methods()).items():
        table[owner] = dict.fromkeys(names.split(), "compute")
    for owner, names in _RECORDED_METHODS.items():
        table[owner].update(dict.fromkeys(names.split(), "recorded"))
    return dict(table)


#: Allowed methods and their kind, by `type_key`.
METHODS: Mapping[str, Mapping[str, MethodKind]] = _method_table()

#: Allowed data attributes, by `type_key`.
ATTRIBUTES: Mapping[str, frozenset[str]] = {
    owner: frozenset(names.split()) for owner, names in _ATTRIBUTES.items()
}


def type_key(cls: type) -> str:
    """The name of a type in `METHODS` and `ATTRIBUTES`: bare for a builtin, else
    with the module that people import it from."""
    if cls.__module__ == "builtins":
        return cls.__qualname__
    return f"{_HOME.get(cls.__module__, cls.__module__)}.{cls.__qualname__}"
