"""A small graph with every kind of node, for tests to bend."""

from __future__ import annotations

from waymark.graph.model import (
    Await,
    Branch,
    Code,
    Compute,
    Function,
    Graph,
    Handler,
    Jump,
    Loop,
    Name,
    Parameter,
    Raise,
    Return,
    Scope,
    Span,
    Try,
)

HERE = Span(3, 4, 3, 9)


def value(text: str, *reads: str) -> Code:
    return Code(text, "eval", (3,), reads)


def statements(text: str, reads: tuple[str, ...] = (), writes: tuple[str, ...] = ()) -> Code:
    return Code(text, "exec", (3,), reads, writes)


def every_node() -> Graph:
    """A graph that is valid and holds each kind of node."""
    body = (
        Await(0, HERE, "action", value("act(x)", "x"), "y", ("app:act",)),
        Loop(
            1,
            HERE,
            "for",
            value("y", "y"),
            (
                Branch(2, HERE, value("z", "z"), (Jump(3, HERE, "break"),)),
                Compute(4, HERE, statements("x = z\nx += 1", ("x", "z"), ("x",))),
            ),
            target="z",
        ),
        Try(
            5,
            HERE,
            (Await(6, HERE, "call", value("self.again(x)", "x"), None, ("W.again",)),),
            (
                Handler(HERE, value("ValueError"), "e", (Raise(7, HERE),)),
                Handler(HERE, None, None, (Return(8, HERE),)),
            ),
            (Raise(9, HERE, statements("raise KeyError(x)", ("x",))),),
            (Await(10, HERE, "sleep", value("asyncio.sleep(LIMIT)"), "_waymark_1"),),
        ),
        Scope(
            11,
            HERE,
            value("asyncio.timeout(LIMIT)"),
            "_waymark_1",
            "_waymark_2",
            (Await(12, HERE, "action", value("act(x)", "x")),),
            "y",
        ),
        Return(13, HERE, value("[x, y]", "x", "y")),
    )
    run = Function(
        "run",
        (Parameter("x", "normal", "_waymark_default_x"),),
        ("x", "y", "z", "e", "_waymark_1", "_waymark_2"),
        {
            "LIMIT": Name("constant", value="3"),
            "_waymark_default_x": Name("constant", value="1"),
            "act": Name("action", ref="app:act"),
            "asyncio": Name("stdlib", ref="asyncio"),
        },
        body,
        span=HERE,
        source="async def run(self, x=1):\n    ...",
        first_line=2,
        path="app.py",
    )
    again = Function("W.again", (Parameter("x", "normal"),), ("x",), {}, (Return(14, HERE),))
    return Graph("app:W", (run, again), {"again": Name("helper", ref="W.again")})
