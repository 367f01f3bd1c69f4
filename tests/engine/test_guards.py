"""Promise 10 at run time: no text of a graph gets out through a value.

These are graphs that no compiler made: the text of one node of a stored graph was
edited by hand. Loading refuses it, or evaluating it raises; nothing else happens.
"""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any, Generic, TypeVar

import pytest
from pydantic import BaseModel

from tests.oracle.host import Host, modules
from tests.oracle.programs import Contexts
from tests.oracle.virtual_loop import run_virtually
from waymark.authoring.registry import registry
from waymark.compiler.code import expression_code, statements_code
from waymark.engine.links import Links
from waymark.engine.program import load_program
from waymark.errors import GraphError, UnresolvedActionError
from waymark.graph.codec import from_document, to_document
from waymark.graph.displays import display, leaf
from waymark.graph.model import Compute, Handler, Name, Node, Return, Scope, Span, Try, walk
from waymark.graph.validation import validate
from waymark.values import load_exception

VARIABLES = ("how", "x", "y", "z")
HERE = Span(1, 0, 1, 1)
NAMES = {
    "partial": Name("stdlib", "functools.partial"),
    "reduce": Name("stdlib", "functools.reduce"),
    "defaultdict": Name("stdlib", "collections.defaultdict"),
    "match": Name("stdlib", "re.match"),
    "attrgetter": Name("stdlib", "operator.attrgetter"),
    "methodcaller": Name("stdlib", "operator.methodcaller"),
    "suppress": Name("stdlib", "contextlib.suppress"),
    "seeded": Name("stdlib", "random.Random"),
    "random": Name("stdlib", "random"),
    "run_action": Name("stdlib", "waymark.run_action"),
    "RetryPolicy": Name("class", "waymark.graph.policies:RetryPolicy"),
    "asyncio": Name("stdlib", "asyncio"),
    "claim_lock": Name("stdlib", "waymark.claim_lock"),
    "hand_back": Name("stdlib", "waymark.hand_back"),
    "act": Name("action", "tests.oracle.programs:echo"),
    "Child": Name("workflow", "tests.oracle.programs:Welcome"),
    "User": Name("class", "tests.oracle.programs:User"),
    "Color": Name("class", "tests.oracle.programs:Color"),
    "Order": Name("class", "tests.oracle.programs:Order"),
    "Page": Name("class", f"{__name__}:Page"),
    "LIMITS": Name("constant", value="[3,1,2]"),
    "Plain": Name("stdlib", "set"),
    "Kind": Name("stdlib", "type"),
    "Shown": display(leaf(Name("class", "tests.oracle.programs:Order"))),
    "ChainMap": Name("stdlib", "collections.ChainMap"),
    **{name: Name("stdlib", name) for name in ("enum", "heapq", "json", "operator", "string")},
}

T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    items: list[T] = []


class Folder(PurePosixPath):
    """A user's class with all that its library gives it."""


registry.types.add(Page)
registry.types.add(Folder)
NAMES["Folder"] = Name("class", f"{__name__}:Folder")

#: Text that pydantic would evaluate.
ASKED = "\"__import__('os').getcwd()\""


def linked() -> Links:
    return Links(registry.action, registry.workflow, registry.types, modules(), registry.pure)


def outcome(text: str) -> str:
    """What comes of a `run` of these statements: its result, or what refused it."""
    return outcome_of(Compute(0, HERE, statements_code(ast.parse(text).body, VARIABLES)))


def outcome_of(*nodes: Node) -> str:
    """The same for nodes, numbered from 0."""
    definition = Contexts.__waymark__
    registry.link()
    graph = definition.graph
    result = expression_code(ast.parse("x", mode="eval").body, VARIABLES)
    run = replace(
        graph.functions[0],
        body=(
            *nodes,
            Return(len(list(walk(nodes))), HERE, result),
        ),
        variables=VARIABLES,
        names=NAMES,
    )
    try:
        edited = from_document(to_document(replace(graph, functions=(run,), attributes={})))
        validate(edited)
        program = load_program(edited, b"edited", linked())
    except GraphError as error:
        return f"refused: {error}"
    host = Host(program, definition.arguments.pack(("",), {}))
    finish = run_virtually(host.run())
    if finish.ok:
        return f"got out: {finish.payload!r}"
    return f"raised {type(load_exception(finish.payload, registry.types)).__name__}"


ESCAPES = {
    "getattr by edited name": "x = str(getattr(act, 'handle', None))",
    "getattr of a class": "x = str(getattr(Order, 'mro')())",
    "getattr of a module's object": "x = str(getattr(random.random, 'func', 1 / 0))",
    "template by getattr": "x = getattr('{0.__class__}', 'format')(3)",
    "template by methodcaller": "x = methodcaller('format_map', {})('{0.__class__}')",
    "template by attrgetter": "x = attrgetter('format')('{0.__class__}')(3)",
    "frame by attrgetter": "x = attrgetter('gi_frame.f_back')(1 for z in [1])",
    "class by methodcaller": "x = methodcaller('mro')(Order)",
    "action by methodcaller": "x = str(methodcaller('__call__', 1)(act))",
    "setattr on a class": "setattr(Order, 'total', 3)\nx = 1",
    "setattr on an action": "setattr(act, 'name', 3)\nx = 1",
    "setattr through a property": "setattr(Order(1), 'total', 3)\nx = 1",
    "decorated by an action's insides": "@act.function\ndef y(): pass\nx = 1",
    "suppress held": "y = suppress(ValueError)\nx = 1",
    "suppress of a user's object": "with act(3): x = 1",
    "random without a seed": "x = seeded(None).random()",
    "frame of a generator": "y = (1 for z in [1])\nx = str(y.gi_frame)",
    "frame of a running generator": "y = (y.gi_frame for z in [0])\nx = str(next(y).f_back)",
    "code of a generator": "x = str((1 for z in [1]).gi_code)",
    "frame by pattern": "match (z for z in [1]):\n case object(gi_frame=x): pass",
    "template by pattern": "match '{0.__class__}':\n case str(format=y): x = y(3)",
    "template as a value": "x = list(map('{0.__class__}'.format, [1]))",
    "template in a variable": "y = '{0.__class__}'\nx = str(y.format(3))",
    "template that is put together": "x = ('{0.__cl' + 'ass__}').format(3)",
    "template inside of a specification": "y = '{:{0.__class__}}'\nx = y.format(3)",
    "template held in a variable": "y = '{0[a]}'\nz = y.format\nx = z({'a': 1})",
    "cause that is set": "y = ValueError()\ny.__cause__ = act\nx = 1",
    "template of the class": "x = list(map(str.format, ['{0.__class__}'], [1]))",
    "the class of classes": "x = type(int)('X', (object,), {}).mro()",
    "the class of an enum": "x = type(Color)('X', {}).mro()",
    "a class's own lists": "x = str(Order.mro())",
    "what a partial holds of a method": "y = Order(1).larger_than\nx = str(y.func)",
    "globals of an action": "x = str(act.__globals__)",
    "globals of a child's run": "x = str(Child().run.__globals__)",
    "pack of a child's run": "y = Child().run\nx = str(y.__closure__)",
    "submission of a child": "x = Child().submit",
    "what a child's call holds": "y = Child().run(['a'])\nx = str(y.action)",
    "arguments of a child's call": "y = Child().run(['a'])\ny.arguments = 'x'\nx = 1",
    "another run in a child's place": "y = Child()\ny.run = act\nx = 1",
    "class of a child": "x = str(type(Child()).mro())",
    "child by pattern": "match Child():\n case Child(run=x): pass",
    "child by another pattern": "match Child():\n case object(run=x): pass",
    "class of a workflow": "x = str(Child.__waymark__)",
    "policy by pattern": "match RetryPolicy():\n case object(__dict__=x): pass",
    "changing a policy": "y = RetryPolicy()\ny.attempts = 9\nx = 1",
    "what a policed call holds": "y = run_action(act(1), timeout=3)\nx = str(y.call)",
    "insides of a policy": "x = RetryPolicy().covers",
    "insides of its class": "x = RetryPolicy.__init__.__globals__",
    "globals of run_action": "x = str(run_action.__globals__)",
    "code of a lambda": "y = lambda: 1\nx = str(y.__code__)",
    "a taped call's insides": "x = str(random.random._tape)",
    "dunder by key": "x = str(User(id='', email='').__dict__)",
    "subclasses": "x = str(object.__subclasses__())",
    "traceback of an exception": "try: 1 / 0\nexcept Exception as y: x = str(y.__traceback__)",
    "traceback by pattern": (
        "try: 1 / 0\nexcept Exception as y:\n match y:\n  case Exception(__traceback__=x): pass"
    ),
    "class of a pattern in a variable": "y = type(1)\nmatch 1:\n case y(real=x): pass",
    "import": "x = __import__('os').getcwd()",
    "builtins": "x = str(__builtins__)",
    "the guard itself": "x = _waymark_get(1, 'real')",
    "writing to a class": "Order.total = 3\nx = 1",
    "writing to a class by value": "y = type(Order(1))\ny.total = 3\nx = 1",
    "loop of a task": "y = asyncio.create_task(act(1))\nx = str(y.loop.evaluator)",
    "engine behind the loop": "x = str(asyncio.get_running_loop().evaluator)",
    "machine behind the loop": "x = str(asyncio.get_running_loop().machine)",
    "a task of one's own": "y = asyncio.create_task(act(1))\nx = type(y)(1, 0, '', 0)",
    "a future of one's own": "y = asyncio.get_running_loop()\nx = type(y.create_future())(y, 0)",
    "a loop of one's own": "x = type(asyncio.get_running_loop())(1)",
    "waiters of a lock": "x = str(asyncio.Lock().waiters)",
    "setting a lock's state": "y = asyncio.Lock()\ny.taken = True\nx = 1",
    "method of the engine on a task": "asyncio.create_task(act(1)).take_end(1, 2)\nx = 1",
    "asyncio's own method": "x = asyncio.Lock.locked(asyncio.Lock())",
    "task by pattern": "match asyncio.create_task(act(1)):\n case object(loop=x): pass",
    "step of a lock on another object": "x = claim_lock(Order(1))",
    "step of a line with another waiter": "x = hand_back(asyncio.Semaphore(), Order(1))",
    "insides of a step": "x = str(claim_lock.__globals__)",
    "entering without a scope": "x = _waymark_enter(asyncio.Lock())",
    "pickle by a model's door": (
        "x = Page.parse_raw(b\"cposix\\ngetcwd\\n(tR.\", allow_pickle=True, proto='pickle')"
    ),
    "file by a model's door": "x = Page.parse_file('/etc/hostname')",
    "a model built again": "x = Page.model_rebuild(force=True)",
    "a model's door by an instance": "x = str(Page().parse_file)",
    "door of a library's class": "x = Folder.__new__(Folder)",
    "door of a library's base": "x = str(Folder.rglob)",
    "text evaluated as an annotation": f"x = str(Page[{ASKED}])",
    "text inside of an annotation": f"x = str(Page[list[{ASKED}]])",
    "text in a tuple of annotations": f"x = str(Page[int, {ASKED}])",
    "annotation by a variable": f"y = Page\nz = {ASKED}\nx = str(y[z])",
    "annotation by getitem": f"x = str(operator.getitem(Page, {ASKED}))",
    "annotation by itemgetter": f"x = str(operator.itemgetter({ASKED})(Page))",
    "annotation by a mapped getitem": (f"x = str(list(map(operator.getitem, [Page], [{ASKED}])))"),
    "annotation by a function held": f"y = operator.getitem\nx = str(y(Page, {ASKED}))",
    "a class made by Enum": "x = str(enum.Enum('X', {'A': 1}))",
    "a class made by Enum in a variable": "y = enum.Enum\nx = str(y('X', {'A': 1}))",
    "a class made by a mapped Enum": "y = map\nx = str(list(y(enum.Enum, ['X'], [{'A': 1}])))",
    "a task by map in a variable": (
        "y = asyncio.create_task(act(1))\nz = map\nx = list(z(type(y), [1], [2], [3], [4]))"
    ),
    "a future by reduce in a variable": (
        "y = asyncio.get_running_loop()\nz = reduce\nx = z(type(y.create_future()), [y, 0])"
    ),
    "a future by partial of partial": (
        "y = asyncio.get_running_loop()\nx = partial(partial, type(y.create_future()))(y)(0)"
    ),
    "a class as a hook": (
        "y = asyncio.create_task(act(1))\nx = json.loads('{}', object_hook=type(y))"
    ),
    "the class of classes by another name": "x = Kind(int)",
    "format specification": "x = f'{act.__globals__}'",
}


@pytest.mark.parametrize("text", ESCAPES.values(), ids=ESCAPES)
def test_no_way_out(text: str) -> None:
    """Each is refused when the graph is loaded, or raises when it is evaluated."""
    found = outcome(text)
    assert found.startswith(("refused", "raised ImpureCallError", "raised AttributeError")), found


ALLOWED: dict[str, Any] = {
    "plain": "x = 1",
    "fields of a pattern": "match Order(1):\n case Order(id=x): pass",
    "a class handed on": "x = len(list(map(Order, [1, 2])))",
    "a lambda handed on": "x = reduce(lambda y, z: y + z, [1, 2])",
    "getattr": "x = getattr(Order(1), 'id') + getattr(3, 'none', 4) + getattr(Order(2), 'total')",
    "setattr": "y = Order(1)\nsetattr(y, 'id', 3)\nx = y.id",
    "attrgetter": "x = attrgetter('id', 'lines')(Order(1))",
    "methodcaller": "x = methodcaller('upper')('a')",
    "suppress": "with suppress(ZeroDivisionError):\n x = 1\n x = 1 / 0",
    "a seeded generator": "x = seeded(3).randint(1, 9)",
    "a partial": "x = partial(max, 3)(4)",
    "sets that are made on demand": "y = defaultdict(set)\ny[1].add(2)\nx = len(y)",
    "a match": "x = match('(a)', 'ab').group(1)",
    "fields of a policy": "x = RetryPolicy(attempts=5).attempts",
    "a template in a variable": "y = '{0} {a:>{0}}'\nx = y.format(3, a=1)",
    "what an exception says": "y = ValueError()\ny.add_note('a')\nx = y.__notes__ + [y.__cause__]",
    "a generic model": "x = str(Page[int | None].model_validate({'items': [1]}).model_dump())",
    "containers of types": "x = str(dict[str, list[int]])",
    "a mapped map": "x = [list(y) for y in map(map, [lambda z: z + 1], [[1]])]",
    "a hook": "x = json.loads('{}', object_hook=lambda y: len(y))",
    "an enum by dotted name": "match Color('red'):\n case Color.RED: x = 1",
}


@pytest.mark.parametrize("text", ALLOWED.values(), ids=ALLOWED)
def test_what_is_meant_to_work_works(text: str) -> None:
    """The same walls let the whitelist through."""
    assert outcome(text).startswith("got out"), outcome(text)


@pytest.mark.parametrize(
    "text",
    [
        "list.append(LIMITS, 4)",
        "list.sort(LIMITS)",
        "for y in map(list.append, [LIMITS], [4]): pass",
        "heapq.heappush(LIMITS, 0)",
        "heapq.heapify(LIMITS)",
    ],
)
def test_a_constant_is_changed_by_no_back_door(text: str) -> None:
    """All runs share it."""
    assert outcome(f"{text}\nx = LIMITS").startswith(("refused", "raised FrozenConstantError"))


@pytest.mark.parametrize(
    "text",
    [
        "x = list(set.union({'d', 'b'}, ['c'], {'a'}))",
        "y = {'d', 'b'}\nset.add(y, 'c')\nset.update(y, ['a'])\nx = list(y)",
        "x = list(frozenset.union(frozenset(['d', 'b']), 'ca'))",
        "x = list(next(map(set.union, [{'d', 'b'}], ['ca'])))",
        "x = list(Plain(['d', 'b', 'c', 'a']))",
        "x = list(operator.or_({'d': 1, 'b': 2}.keys(), {'c': 3, 'a': 4}.keys()))",
    ],
)
def test_a_set_keeps_its_order_whoever_makes_it(text: str) -> None:
    """That of hashes would differ in the process that takes the run up."""
    assert outcome(text) == """got out: b'["d","b","c","a"]'"""


def test_a_child_that_is_not_registered_is_named() -> None:
    """A row may name any workflow; only a registered one is ever run."""
    registry.link()
    graph = Contexts.__waymark__.graph
    names = {"Other": Name("workflow", "os:system")}
    run = replace(graph.functions[0], body=(Return(0, HERE),), names=names)
    edited = replace(graph, functions=(run,), attributes={})
    validate(edited)
    with pytest.raises(UnresolvedActionError, match="calls `os:system`, which no imported module"):
        load_program(edited, b"edited", linked())


def compute(number: int, text: str) -> Compute:
    return Compute(number, HERE, statements_code(ast.parse(text).body, VARIABLES))


@pytest.mark.parametrize(
    "text",
    ["y = 1", "del y", "y[2] = x", "y[0] = y[1] = None", "y.clear()", "y[2].append(3)", "y[1] = 3"],
)
def test_state_of_except_star_may_be_edited(text: str) -> None:
    """Its state is a variable of the graph: spoiled, the run fails as any does."""
    classes = expression_code(ast.parse("ValueError", mode="eval").body, VARIABLES)
    spoiled = Handler(HERE, classes, None, (compute(2, f"{text}\nx = 1"),))
    failing = compute(1, "x = 0\nraise ExceptionGroup('g', [ValueError(1), KeyError(2)])")
    attempt = Try(0, HERE, (failing,), (spoiled, spoiled), star="y")
    second = replace(spoiled, body=(compute(3, "x = 2"),))
    shown = outcome_of(replace(attempt, handlers=(spoiled, second)))
    assert shown.startswith(("raised ", "got out: b'1")), shown


def test_a_manager_may_be_replaced_by_hand() -> None:
    """The scope's variable is one of the graph: what is found there is judged again."""
    manager = expression_code(ast.parse("asyncio.Lock()", mode="eval").body, VARIABLES)
    scope = Scope(0, HERE, manager, "y", "z", (compute(1, "y = Order(1)\nx = 1"),))
    assert outcome_of(scope) == "raised GraphError"
    timeout = expression_code(ast.parse("asyncio.timeout(3)", mode="eval").body, VARIABLES)
    assert outcome_of(replace(scope, manager=timeout)) == "raised TypeError"


def load(document: str) -> None:
    graph = from_document(document)
    validate(graph)
    load_program(graph, b"edited", linked())


DEEP = "[" * 5000 + "]" * 5000

ODD = {
    "a line beyond all files": ('"first_line": 1', '"first_line": 999999999999'),
    "a line before the file": ('"first_line": 1', '"first_line": -3'),
    "nested too deeply": ('"body": [', f'"body": [{DEEP},'),
    "not parsed": ("1 / 0", "(" * 500 + "1" + ")" * 500),
    "a name that is no text": ('"self_class": ""', '"self_class": "\\ud800"'),
    "not compiled": ("1 / 0", "-" * 20_000 + "1"),
}


@pytest.mark.parametrize(("old", "new"), ODD.values(), ids=ODD)
def test_odd_documents_are_refused(old: str, new: str) -> None:
    """Whatever is wrong with a document is a GraphError, and costs little."""
    graph = Contexts.__waymark__.graph
    body = (Compute(0, HERE, statements_code(ast.parse("1 / 0").body, VARIABLES)),)
    run = replace(graph.functions[0], body=body, names={}, first_line=1)
    document = to_document(replace(graph, functions=(run,), attributes={}))
    load(document)
    assert old in document
    with pytest.raises(GraphError):
        load(document.replace(old, new, 1))
