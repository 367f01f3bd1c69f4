"""Flattening: every way out of a `finally` runs it once."""

from __future__ import annotations

from waymark.engine.flat import Op, flatten
from waymark.graph.model import Code, Compute, Function, Jump, Loop, Node, Return, Span, Try

HERE = Span(1, 0, 1, 0)


def compute(number: int, text: str) -> Compute:
    return Compute(number, HERE, Code(text, "exec"))


def function(*body: Node) -> Function:
    return Function("run", (), (), {}, body)


def shape(*body: Node) -> list[str]:
    flat = flatten(function(*body))
    return [
        f"{Op(op).name}{'' if op == Op.JUMP or argument < 0 else f' {argument}'}"
        f"{'' if site is None or site.code is None else f' {site.code.text}'}"
        f"{'' if catch < 0 else f' !{flat.handlers[catch][0]}'}"
        for op, argument, site, catch in zip(
            flat.ops, flat.arguments, flat.sites, flat.catches, strict=True
        )
    ]


def test_return_through_finally_runs_it_before_leaving() -> None:
    """The inlined copy is not covered by the statement's own handler."""
    body = Try(0, HERE, (Return(1, HERE, Code("a", "eval")),), final=(compute(2, "f"),))
    assert shape(body) == [
        "RETURN a !5",
        "EVALUATE f",
        "LEAVE",
        "EVALUATE f",
        "JUMP",
        "EVALUATE f",
        "RERAISE",
        "RETURN",
        "LEAVE",
    ]


def test_no_jump_is_ever_executed() -> None:
    """What leads to a JUMP leads to where it goes."""
    loop = Loop(0, HERE, "while", Code("go", "eval"), (compute(1, "a"),))
    flat = flatten(function(loop))
    assert [Op(op).name for op in flat.ops] == ["TEST", "EVALUATE", "JUMP", "RETURN", "LEAVE"]
    assert flat.nexts[1] == 0
    assert flat.arguments[0] == 3


def test_continue_through_finally_runs_it_and_loops() -> None:
    loop = Loop(
        0,
        HERE,
        "while",
        Code("go", "eval"),
        (Try(1, HERE, (Jump(2, HERE, "continue"),), final=(compute(3, "f"),)),),
        (compute(4, "e"),),
    )
    assert shape(loop) == [
        "TEST 8 go",
        "EVALUATE f",
        "JUMP",
        "EVALUATE f",
        "JUMP",
        "EVALUATE f",
        "RERAISE",
        "JUMP",
        "EVALUATE e",
        "RETURN",
        "LEAVE",
    ]
