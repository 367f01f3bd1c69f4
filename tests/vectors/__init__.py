"""What both forms of the packer must give, written by the Python form.

`integers.txt`: a column's integers, a tab, its text. The crate's tests read it as well.
"""

from __future__ import annotations

import random
from pathlib import Path

from waymark.store.packing import python_text

PATH = Path(__file__).parent / "integers.txt"


def integer_columns() -> list[list[int]]:
    """Each number of digits with its neighbours, the ends of 64 bits, and mixed columns."""
    chance = random.Random(20261123)
    edges = [0, 2**63 - 1, -(2**63), 2**31 - 1, -(2**31), 2**15 - 1, -(2**15)]
    for power in range(19):
        edges += [10**power - 1, 10**power, 1 - 10**power, -(10**power)]
    columns = [[], [7] * 5, [1, 2, 1], edges, *([edge] for edge in edges)]
    columns += [
        [chance.randrange(-(2**63), 2**63) >> chance.randrange(64) for _ in range(length)]
        for length in range(1, 60)
    ]
    return columns


def integer_vectors() -> str:
    """The text of `integers.txt`."""
    lines = [f"{' '.join(map(str, c))}\t{python_text(c)}\n" for c in integer_columns()]
    return "".join(lines)
