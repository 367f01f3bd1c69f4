"""The memory that one wide gather takes, in a process of its own.

    python -m benches.memory URL [--width 20000]

Prints MiB of the process's high-water mark during the gather above what it held
when idle: imports done, Waymark started, and each path walked once in a gather of
ten. Linux resets the mark for us; elsewhere it is that of the whole process, and
what the start took counts too.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import re
import resource
import sys
from pathlib import Path

import waymark

from .workloads import SCHEMA, run_fan_out

MEBIBYTE = 1024 * 1024
WARM_UP_WIDTH = 10

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def resident_bytes() -> int:
    """What the process holds now."""
    if _STATUS.exists():
        return _status("VmRSS")
    import psutil  # type: ignore[import-untyped, unused-ignore]

    return int(psutil.Process().memory_info().rss)


def forget_peak() -> None:
    """Let the high-water mark begin at what is held now."""
    if _CLEAR.exists():
        _CLEAR.write_text("5")


def peak_bytes() -> int:
    """The high-water mark since `forget_peak`."""
    if _STATUS.exists():
        return _status("VmHWM")
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _status(name: str) -> int:
    found = re.search(rf"^{name}:\s+(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


async def measure(dsn: str, width: int) -> float:
    """MiB above idle."""
    async with waymark.running(dsn, schema=SCHEMA):
        await run_fan_out(WARM_UP_WIDTH)
        gc.collect()
        idle = resident_bytes()
        forget_peak()
        await run_fan_out(width)
        return (peak_bytes() - idle) / MEBIBYTE


def main() -> None:
    """Print the figure alone."""
    parser = argparse.ArgumentParser(prog="python -m benches.memory")
    parser.add_argument("url")
    parser.add_argument("--width", type=int, default=20_000)
    options = parser.parse_args()
    print(f"{asyncio.run(measure(options.url, options.width)):.1f}")


if __name__ == "__main__":
    main()
