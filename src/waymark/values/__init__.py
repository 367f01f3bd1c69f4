"""Values to bytes and back: readable JSON text, never pickle.

Nothing in the bytes can import a module or run a function; see `codec` for the
format and `registry` for the classes that data may name.
"""

from __future__ import annotations

from .arguments import Arguments, RecordedArguments
from .conforming import conform, fits
from .decimals import MET as DECIMALS_MET
from .decimals import meet as meet_decimals
from .failures import dump_exception, load_exception, recorded_traceback
from .freezing import freeze, refuse_change
from .frozen import FrozenDict, FrozenList, FrozenSet
from .ordered import OrderedFrozenSet, OrderedSet
from .parts import mutable_parts
from .plan import Plan, plan_for
from .registry import TypeRegistry

__all__ = [
    "DECIMALS_MET",
    "Arguments",
    "FrozenDict",
    "FrozenList",
    "FrozenSet",
    "OrderedFrozenSet",
    "OrderedSet",
    "Plan",
    "RecordedArguments",
    "TypeRegistry",
    "conform",
    "dump_exception",
    "fits",
    "freeze",
    "load_exception",
    "meet_decimals",
    "mutable_parts",
    "plan_for",
    "recorded_traceback",
    "refuse_change",
]
