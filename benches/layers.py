"""Which part of a run costs what: the time of this process, and what it executes.

`times` looks many times a second at which file the event loop's thread is in, from a
thread of its own; so what C does (garbage collection, system calls) counts for the Python
code that called it. Time in which the process waits counts for nobody. `bytecodes` counts
each instruction of Python and each call of a Python function, exactly, which no other
work on the machine disturbs. (`python -m benches.profile runs_20000 --with layers`)
"""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

#: Layers by what stands in a path; the first that does counts.
LAYERS = (
    ("select", "selectors.py"),
    ("the load itself", "benches/workloads.py"),
    ("submission: bind and check", "waymark/authoring/"),
    ("submission: bind and check", "waymark/app.py"),
    ("values to bytes", "waymark/values/"),
    ("engine", "waymark/engine/"),
    ("runs and those who wait", "waymark/runtime/client.py"),
    ("runs and those who wait", "waymark/runtime/live_run.py"),
    ("runs and those who wait", "waymark/runtime/programs.py"),
    ("runs and those who wait", "waymark/runtime/run_ids.py"),
    ("runs and those who wait", "waymark/runtime/runtime.py"),
    ("attempts", "waymark/runtime/executor.py"),
    ("writer and batches", "waymark/runtime/writer.py"),
    ("writer and batches", "waymark/runtime/batch.py"),
    ("scheduler", "waymark/runtime/"),
    ("rows to columns", "waymark/store/"),
    ("asyncpg", "asyncpg/"),
    ("asyncio: tasks, wake-ups, sockets", "asyncio/"),
    ("asyncio: tasks, wake-ups, sockets", "_weakrefset.py"),
)
#: Waiting, and what is in no layer.
WAITING, OTHER = "select", "other"
SECONDS = 0.001


def layer_of(code: CodeType) -> str:
    """The layer of a function. The code of a graph's nodes is the engine's."""
    path = code.co_filename
    if "#" in path:
        return "engine"
    return next((layer for layer, part in LAYERS if part in path), OTHER)


@contextmanager
def times(units: int, unit: str) -> Iterator[None]:
    """Print microseconds of CPU per unit of work, by layer."""
    samples: Counter[str] = Counter()
    watched, over = threading.get_ident(), threading.Event()

    def sample() -> None:
        while not over.wait(SECONDS):
            frame = sys._current_frames().get(watched)
            if frame is not None:
                samples[layer_of(frame.f_code)] += 1

    interval = sys.getswitchinterval()
    sys.setswitchinterval(SECONDS / 10)
    sampler = threading.Thread(target=sample, daemon=True)
    started = time.thread_time()
    sampler.start()
    try:
        yield
    finally:
        seconds = time.thread_time() - started
        over.set()
        sampler.join()
        sys.setswitchinterval(interval)
    samples.pop(WAITING, None)
    total, us = sum(samples.values()), seconds / units * 1e6
    print(f"{us:.1f} us of the loop's thread per {unit}, from {total} samples")
    for layer, count in samples.most_common():
        print(f"{count / total * us:9.1f}  {layer}")


Counts = Counter[CodeType]


@contextmanager
def counting() -> Iterator[tuple[Counts, Counts]]:
    """Instructions and calls of Python while the block runs, by function. A generator or
    coroutine that goes on counts as called again."""
    instructions: Counts = Counter()
    calls: Counts = Counter()
    if sys.version_info >= (3, 12):
        # From 3.12 on a trace function misses the instructions of code that it sees anew.
        with _monitored(instructions, calls):
            yield instructions, calls
        return

    def inside(frame: FrameType, event: str, _: Any) -> Any:
        if event == "opcode":
            instructions[frame.f_code] += 1
        return inside

    def entered(frame: FrameType, event: str, _: Any) -> Any:
        calls[frame.f_code] += 1
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return inside

    sys.settrace(entered)
    try:
        yield instructions, calls
    finally:
        sys.settrace(None)


@contextmanager
def _monitored(instructions: Counts, calls: Counts) -> Iterator[None]:
    """The same by what Python 3.12 has for it."""
    monitoring: Any = vars(sys)["monitoring"]
    events, tool = monitoring.events, monitoring.PROFILER_ID

    def executed(code: CodeType, _: int) -> None:
        instructions[code] += 1

    def entered(code: CodeType, *_: Any) -> None:
        calls[code] += 1

    monitoring.use_tool_id(tool, __name__)
    monitoring.register_callback(tool, events.INSTRUCTION, executed)
    for event in (events.PY_START, events.PY_RESUME, events.PY_THROW):
        monitoring.register_callback(tool, event, entered)
    monitoring.set_events(
        tool, events.INSTRUCTION | events.PY_START | events.PY_RESUME | events.PY_THROW
    )
    try:
        yield
    finally:
        monitoring.set_events(tool, events.NO_EVENTS)
        monitoring.free_tool_id(tool)


@contextmanager
def bytecodes(units: int, unit: str) -> Iterator[None]:
    """Print instructions and calls of Python per unit of work, by layer."""
    with counting() as (instructions, calls):
        yield
    by_layer: Counter[str] = Counter()
    calls_by_layer: Counter[str] = Counter()
    for code, count in instructions.items():
        by_layer[layer_of(code)] += count
    for code, count in calls.items():
        calls_by_layer[layer_of(code)] += count
    total = by_layer.total() / units, calls_by_layer.total() / units
    print(f"{total[0]:.0f} instructions and {total[1]:.0f} calls of Python per {unit}")
    for layer, count in by_layer.most_common():
        print(f"{count / units:9.0f} {calls_by_layer[layer] / units:9.1f}  {layer}")
