"""What pure code may and may not do. Whoever edits a stored graph is hostile."""

from __future__ import annotations

import ast
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waymark.graph.check import check_code, check_uses
from waymark.graph.model import Name
from waymark.graph.scopes import uses

NAMES = {
    "math": Name("stdlib", ref="math"),
    "json": Name("stdlib", ref="json"),
    "asyncio": Name("stdlib", ref="asyncio"),
    "operator": Name("stdlib", ref="operator"),
    "contextlib": Name("stdlib", ref="contextlib"),
    "functools": Name("stdlib", ref="functools"),
    "datetime": Name("stdlib", ref="datetime.datetime"),
    "os": Name("stdlib", ref="os"),
    "LIMITS": Name("constant", value="[1]"),
    "act": Name("action", ref="app:act"),
    "helper": Name("helper", ref="helper"),
    "tidy": Name("pure", ref="app:tidy"),
    "User": Name("class", ref="app:User"),
}
VARIABLES = frozenset({"x", "y", "f"})

ALLOWED = [
    "x = math.sqrt(y) + math.pi",
    "x = datetime.now().isoformat()",
    "x = datetime.fromisoformat(y).astimezone()",
    "x = [a.name for a in y if a.active]",
    "x = sorted(y, key=lambda a: (a.name, -a.age))",
    "x = '{} {name:>{width}}'.format(y, name=1, width=2)",
    "x = type(y).__name__ + type(y).__qualname__",
    "x = y._replace(a=1)._asdict(), y._fields",
    "x = list(map(str.lower, y))",
    "x = int.from_bytes(y, 'big')",
    "x = functools.reduce(operator.add, y)",
    "x = json.loads(json.dumps(y, sort_keys=True, default=str), object_hook=lambda a: a)",
    "x = asyncio.gather(*[act(a) for a in y], return_exceptions=True)",
    "x = act(y), helper(y), tidy(y), User(y)",
    "x.name = y; x[0] = y; x += y",
    "raise ValueError(x) from y",
    "x = lambda q, *r, s=y, **t: (q, r, s, t)",
    "def f(q, r=x):\n    q += 1\n    return [q for z in r]",
    "x = (y := x) if y else LIMITS[0]",
    "x = f'{y!r:>{x}}'",
    "x = getattr(y, 'a'), getattr(y, 'a', None), hasattr(y, 'b')",
    "setattr(y, 'a', x); delattr(y, 'a')",
    "x = operator.attrgetter('a.b', 'c')(y), operator.methodcaller('pop', 1)(y)",
    "@tidy\n@(lambda a: a)\ndef f(): pass",
    "with contextlib.suppress(ValueError, *y) as x, contextlib.suppress(): x = 1",
    "x = object()",
    "x = y.format(x), '{}'.format",
    "x = y.__cause__, y.__context__, y.__suppress_context__, getattr(y, '__notes__', [])",
    "x = f is None or NotImplemented",
]

REFUSED = {
    "x = y.__class__": "WM203",
    "x = y.__dict__['a']": "WM203",
    "x = y._private": "WM203",
    "x = [a.__globals__ for a in y]": "WM203",
    "x = (lambda: 0).__globals__": "WM203",
    "x = type(y).__mro__": "WM203",
    "x = type(y).__subclasses__()": "WM203",
    "x = type('A', (), {})": "WM216",
    "x = type": "WM216",
    "x = map(type, y)": "WM216",
    "x = f'{y.__class__}'": "WM203",
    "x = f'{y:{y.__class__}}'": "WM203",
    "x = '{0.__class__}'.format(y)": "WM211",
    "x = '{0[a]}'.format(y)": "WM211",
    "x = '{:{0.__class__}}'.format(y)": "WM211",
    "x = '{0.a}'.format": "WM211",
    "x = getattr('{0.a}', 'format')": "WM211",
    "x = y.format_map(x)": "WM211",
    "x = y.__traceback__": "WM203",
    "y.__cause__ = x": "WM203",
    "setattr(y, '__cause__', x)": "WM203",
    "x = '{}'.format_map(y)": "WM211",
    "x = str.format('{0.__class__}', y)": "WM207",
    "x = str.format": "WM207",
    "x = getattr(y, f)": "WM202",
    "x = getattr(y, '__class__')": "WM203",
    "x = getattr(y, '_a', None)": "WM203",
    "x = getattr(y, 'gi_frame', None)": "WM203",
    "x = getattr(y, 'a b')": "WM202",
    "x = getattr(y, *x)": "WM202",
    "x = getattr(y, 'a', default=1)": "WM202",
    "x = getattr(y, 'a', eval)": "WM202",
    "x = getattr(eval, 'a')": "WM202",
    "x = getattr": "WM202",
    "x = map(getattr, y, ['a'])": "WM202",
    "x = hasattr(y, '__class__')": "WM203",
    "setattr(y, '__class__', x)": "WM203",
    "setattr(User, 'name', x)": "WM213",
    "setattr(LIMITS, 'name', x)": "WM213",
    "delattr(type(y), 'name')": "WM213",
    "x = operator.attrgetter('__class__')(y)": "WM203",
    "x = operator.attrgetter('a.__class__', 'b')(y)": "WM203",
    "x = operator.attrgetter(f)(y)": "WM216",
    "x = operator.attrgetter(*f)(y)": "WM216",
    "x = operator.attrgetter": "WM216",
    "x = operator.methodcaller('__class__')(y)": "WM203",
    "x = operator.methodcaller('format', y)('{0.__class__}')": "WM211",
    "x = operator.methodcaller(f, y)": "WM216",
    "x = operator.methodcaller": "WM216",
    "x = eval('1')": "WM202",
    "x = exec('1')": "WM202",
    "x = compile('1', '', 'eval')": "WM202",
    "x = open('/etc/passwd')": "WM202",
    "x = __import__('os')": "WM109",
    "x = __builtins__": "WM109",
    "x = globals()": "WM202",
    "x = vars(y)": "WM202",
    "x = dir(y)": "WM202",
    "x = hash(y)": "WM202",
    "x = id(y)": "WM202",
    "x = super().a": "WM202",
    "import os": "WM104",
    "from os import path": "WM104",
    "global x": "WM105",
    "def f():\n    nonlocal x": "WM105",
    "class f: pass": "WM107",
    "async def f(): pass": "WM108",
    "def f():\n    yield 1": "WM106",
    "x = lambda: (yield)": "WM106",
    "with y: pass": "WM113",
    "x = math": "WM215",
    "x = [math]": "WM215",
    "math.pi = 3": "WM213",
    "x = math.__loader__": "WM207",
    "x = os.system('ls')": "WM207",
    "x = os.environ": "WM207",
    "x = asyncio.run(y)": "WM207",
    "x = asyncio.sleep": "WM216",
    "x = json.loads(y, cls=x)": "WM216",
    "x = json.dumps(y, cls=x)": "WM216",
    "x = (a for a in y).gi_frame": "WM203",
    "x = y.tb_frame.f_globals": "WM203",
    "match x:\n    case User(gi_frame=y): pass": "WM203",
    "x = y.f_back": "WM203",
    "x = json.loads(y, **x)": "WM216",
    "x = map(json.loads, y)": "WM216",
    "x = functools.singledispatch(y)": "WM207",
    "x = iter(y, 1)": "WM216",
    "x = object(1)": "WM216",
    "x = act.function(y)": "WM203",
    "x = act.function": "WM203",
    "x = tidy.__globals__": "WM203",
    "x = helper.code": "WM203",
    "LIMITS.append(1)": "WM210",
    "LIMITS[0] = 1": "WM213",
    "LIMITS[0].a = 1": "WM213",
    "del LIMITS[0]": "WM213",
    "User.limit = 1": "WM213",
    "type(y).limit = 1": "WM213",
    "ValueError.args = 1": "WM213",
    "z = 1": "WM201",
    "x = z": "WM201",
    "for z in x: pass": "WM201",
    "x = __x": "WM109",
    "x = [__x for __x in y]": "WM109",
    "x = [_waymark_get for _waymark_get in y]": "WM109",
    "x = lambda _waymark_get: 1": "WM109",
    "def f(_waymark_get): pass": "WM109",
    "x = _waymark_get": "WM201",
    "match x:\n    case User(__class__=y): pass": "WM203",
    "match x:\n    case math.inf.__class__: pass": "WM203",
    "x = self.y": "WM201",
    "@y.__get__\ndef f(): pass": "WM203",
    "@open\ndef f(): pass": "WM202",
    "@json.loads\ndef f(): pass": "WM216",
    "with open(x) as y: pass": "WM113",
    "with suppress(x): pass": "WM113",
    "with contextlib.suppress(y.__class__): pass": "WM203",
    "with contextlib.suppress(x) as y.__class__: pass": "WM203",
    "with contextlib.suppress: pass": "WM113",
    "x = contextlib.suppress(y)": "WM216",
    "x = contextlib.suppress": "WM216",
    "def f(a: y.__class__): pass": "WM108",
    "def f() -> y.__class__: pass": "WM108",
}


@pytest.mark.parametrize("text", ALLOWED)
def test_ordinary_code_is_allowed(text: str) -> None:
    assert check_code(ast.parse(text), NAMES, VARIABLES) == []


@pytest.mark.parametrize(("text", "code"), REFUSED.items(), ids=list(REFUSED))
def test_ways_out_are_refused(text: str, code: str) -> None:
    """Each is refused with its own code, and says what to write instead."""
    violations = check_code(ast.parse(text), NAMES, VARIABLES)
    assert code in {violation.code for violation in violations}
    assert all(violation.fact and violation.fix for violation in violations)


def test_unpacking_in_a_comprehension_is_refused() -> None:
    """Syntax of Python 3.15, whose trees are built here by hand."""
    several: Any = ast.parse("[x for x in y]; {x for x in y}; sum(x for x in y)")
    for statement in several.body[:2]:
        statement.value.elt = ast.Starred(statement.value.elt, ast.Load())
    generator = several.body[2].value.args[0]
    generator.elt = ast.Starred(generator.elt, ast.Load())
    pairs: Any = ast.parse("{x: 1 for x in y}")
    pairs.body[0].value.value = None
    for tree, count in (several, 3), (pairs, 1):
        found = check_code(ast.fix_missing_locations(tree), NAMES, VARIABLES)
        assert [violation.code for violation in found] == ["WM108"] * count
        assert all("second `for`" in violation.fix for violation in found)


def test_self_is_not_a_value_and_its_attributes_are_known() -> None:
    """`self` leads to the listed attributes and nowhere else."""
    scope = {*VARIABLES, "self"}

    def codes(text: str) -> list[str]:
        found = check_code(ast.parse(text), NAMES, scope, {"rate", "_rate"})
        return [violation.code for violation in found]

    assert codes("x = self.rate + self._rate") == []
    assert codes("x = self") == ["WM217"]
    assert codes("x = self.other") == ["WM212"]
    assert "WM203" in codes("x = self.__dict__")
    assert codes("self.rate = 1") == ["WM213"]
    assert codes("self.rate.append(1)") == ["WM210"]
    assert "WM109" in codes("self = x")
    assert "WM109" in codes("x = [self for self in y]")


ATTRIBUTES = st.sampled_from(
    ["__class__", "__globals__", "__code__", "gi_frame", "a", "__init__", "_x", "format", "mro"]
)
LEAVES = st.sampled_from(
    ["x", "y", "math", "type", "str", "open", "__import__", "getattr", "self", "act", "User", "1"]
)


def wider(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("({}).{}".format, inner, ATTRIBUTES),
        st.builds("({})({})".format, inner, inner),
        st.builds("[{} for q in {}]".format, inner, inner),
        st.builds("(lambda q={}: {})".format, inner, inner),
        st.builds("({}, {})".format, inner, inner),
        st.builds("({})[{}]".format, inner, inner),
        st.builds("f'{{{}}}'".format, inner.filter(lambda text: "'" not in text)),
        st.builds("('{{0.a}}'.format({}))".format, inner),
    )


@given(st.recursive(LEAVES, wider, max_leaves=8))
@settings(max_examples=300, deadline=None)
def test_no_dunder_and_no_forbidden_name_gets_through(text: str) -> None:
    """Whatever is built from dangerous pieces: what passes holds none of them."""
    tree = ast.parse(text, mode="eval")
    if check_code(tree, NAMES, VARIABLES):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_")
            assert node.attr != "gi_frame"
        if isinstance(node, ast.Name):
            assert node.id not in {"open", "getattr", "__import__", "self"}
            assert not node.id.startswith("__")


USES = [
    *ALLOWED,
    "x += [x for x in y]",
    "x = [f(y) for y in y if (x := y)]",
    "x = {a: [b for b in a] for a in y for a in x}",
    "x = (lambda y=x: y)(f)",
    "del x",
    "del x[y]",
    "y.a += x",
    "x = [y for f in (f for f in f)]",
]


@pytest.mark.parametrize("text", USES)
def test_checker_tells_the_names_that_are_used(text: str) -> None:
    """What the checker sees on its way is what a walk for names alone finds."""
    tree = ast.parse(text)
    violations, reads, writes = check_uses(tree, NAMES, VARIABLES, None)
    found = (reads & VARIABLES, writes & VARIABLES)
    assert not violations
    assert found == tuple(names & VARIABLES for names in uses(tree))
