"""Promise 4 on programs that nobody wrote: the compiled body does what asyncio
does, in the same order.

Every piece of a generated program notes in a list that it was evaluated, before
and after an await alike, so the order of evaluation is part of the outcome.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from tests.compiler.authored import body, define, definition_of
from tests.oracle.host import Outcome, compiled_outcome, plain_outcome

STEPS = """
    async def step(self, log: list[Any], value: Any) -> Any:
        log.append(("before", value))
        result = await slow(value)
        log.append(("after", value))
        return result
"""

#: More of them is a campaign of its own, not a part of every run.
EXAMPLES = int(os.environ.get("WAYMARK_EXAMPLES", "100"))

numbers = st.integers(0, 3)
leaves = st.one_of(
    st.builds("(log.append({0}) or {0})".format, numbers),
    st.builds("await self.step(log, {})".format, numbers),
    st.builds("await self.step(log, {})".format, numbers),
    st.just("x"),
    st.just("len(log)"),
)


def wider(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operator = st.sampled_from(["+", "-", "*", "|", "&", "//"])
    compare = st.sampled_from(["<", "<=", "==", "!=", ">"])
    return st.one_of(
        st.builds("({} {} {})".format, inner, operator, inner),
        st.builds("(-({}))".format, inner),
        st.builds("int({} {} {})".format, inner, compare, inner),
        st.builds("int({} {} {} {} {})".format, inner, compare, inner, compare, inner),
        st.builds("({} and {})".format, inner, inner),
        st.builds("({} or {} or {})".format, inner, inner, inner),
        st.builds("int(not ({}))".format, inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("max({}, *[{}, {}], {})".format, inner, inner, inner, inner),
        st.builds("sum(({}, {}), start={})".format, inner, inner, inner),
        st.builds("[{}, *[{}], {}][{} % 3]".format, inner, inner, inner, inner),
        st.builds("{{'a': {}, **{{'b': {}}}, 'c': {}}}['c']".format, inner, inner, inner),
        st.builds("len(f'{{{}:>{{1 + ({}) % 3}}}}{{{}!r}}')".format, inner, inner, inner),
        st.builds("(x := {})".format, inner),
        st.builds("log.count({})".format, inner),
        st.builds("len([{} for y in range(({}) % 3) if {}])".format, inner, inner, inner),
        st.builds("len({{{}: {} for y in range(2)}})".format, inner, inner),
        st.builds("len({{{} for y in range(2)}})".format, inner),
        st.builds("sum([y + z for y in [{}] for z in [{}, y]])".format, inner, inner),
        st.builds("await self.step(log, {})".format, inner),
    )


expressions = st.recursive(leaves, wider, max_leaves=8)


def inlined(outcome: Outcome) -> Outcome:
    """What was raised as 3.12 names it, where a comprehension is part of its function: an
    unbound name in one is a local of the function, which 3.11 calls a free variable."""
    return Outcome(outcome.kind, _inlined(outcome.value), outcome.calls)


def _inlined(value: Any) -> Any:
    match value:
        case ["NameError", str(message), *rest] if message.startswith(FREE):
            local = message.replace("free", "local", 1).replace(" in enclosing scope", "", 1)
            return ["UnboundLocalError", local, *map(_inlined, rest)]
        case ("cause" | "context" as link, error):
            return (link, _inlined(error))
        case _:
            return value


FREE = '("cannot access free variable'


def agree(text: str) -> None:
    """The compiled body and asyncio must do the same."""
    try:
        compile(body(text), "", "exec")
    except SyntaxError:
        # Pieces may meet in a form that Python itself refuses.
        reject()
    definition = definition_of(define(body(text) + STEPS, name="generated"))
    plain = plain_outcome(definition)
    compiled, _ = compiled_outcome(definition)
    if sys.version_info < (3, 12):
        compiled, plain = inlined(compiled), inlined(plain)
    assert compiled == plain, f"{text}\n{compiled}\n!=\n{plain}"


@given(expressions)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_expressions_are_evaluated_in_the_order_of_python(expression: str) -> None:
    agree(f"log: list[Any] = []\nx = 2\nvalue = {expression}\nreturn value, x, log")


simple = st.one_of(
    st.builds("x = {}".format, expressions),
    st.builds("x += {}".format, expressions),
    st.builds("box[{} % 2] += {}".format, leaves, leaves),
    st.builds("box[{} % 2], x = {}, {}".format, leaves, leaves, leaves),
    st.builds("log.append({})".format, leaves),
    st.builds("return {}".format, leaves),
    st.builds("raise KeyError({})".format, leaves),
    st.builds("assert {}, {}".format, leaves, leaves),
    st.builds("await fail({})".format, leaves),
    st.just("x = 1 // 0"),
    st.just("del x"),
    st.just("raise"),
    st.just("pass"),
)


def indent(text: str) -> str:
    return "\n".join("    " + line for line in text.split("\n"))


def compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    block = st.lists(inner, min_size=1, max_size=3).map(lambda lines: indent("\n".join(lines)))
    jump = st.sampled_from(["break", "continue"])
    looped = st.one_of(
        block,
        st.builds("{}\n    if {}:\n        {}\n{}".format, block, leaves, jump, block),
        st.builds("    try:\n{}\n    finally:\n        {}".format, block.map(indent), jump),
        st.builds("    try:\n    {0}\n        {1}\n    finally:\n    {0}".format, block, jump).map(
            _tidy
        ),
    )
    errors = st.sampled_from(["KeyError", "(ValueError, ZeroDivisionError)", "Exception as e"])
    return st.one_of(
        st.builds("if {}:\n{}".format, leaves, block),
        st.builds(
            "if {}:\n{}\nelif {}:\n{}\nelse:\n{}".format, leaves, block, leaves, block, block
        ),
        st.builds("for y in range(2):\n{}\nelse:\n{}".format, looped, block),
        st.builds("for y, *z in [(1, 2), (3,)]:\n{}".format, looped),
        st.builds(
            "n += 1\nwhile n < 3 and {} >= 0:\n    n += 1\n{}\nelse:\n{}".format,
            leaves,
            looped,
            block,
        ),
        st.builds("try:\n{}\nexcept {}:\n{}".format, block, errors, block),
        st.builds(
            "try:\n{}\nexcept {}:\n{}\nelse:\n{}\nfinally:\n{}".format,
            block,
            errors,
            block,
            block,
            block,
        ),
        st.builds("try:\n{}\nfinally:\n{}".format, block, block),
        st.builds(
            "match {}:\n    case 0 | 1:\n{}\n    case w if w == 2:\n{}".format,
            leaves,
            block.map(indent),
            block.map(indent),
        ),
    )


def _tidy(text: str) -> str:
    """Indent every line of a `try` body that spans several lines alike."""
    lines = text.split("\n")
    return "\n".join(
        line if line.strip() in ("try:", "finally:") else "        " + line.strip()
        for line in lines
    )


statements = st.recursive(simple, compound, max_leaves=10)
programs = st.lists(statements, min_size=1, max_size=4).map("\n".join)


@given(programs)
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_statements_run_as_in_python(program: str) -> None:
    begin = "log: list[Any] = []\nbox = [0, 0]\nx = n = 0\n"
    agree(f"{begin}{program}\nreturn x, n, box, log")
