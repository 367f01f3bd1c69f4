"""The words of the checker: for each violation its code, the fact and the fix.

Kept apart from the rules so that both can be read; codes are those of the
compiler's catalogue.
"""

from __future__ import annotations

import ast
from typing import TypeAlias

#: Code, fact, fix.
Advice: TypeAlias = tuple[str, str, str]

_ACTION = "do it in an @action and await that"

_SYNTAX: dict[str, Advice] = {
    "Await": (
        "WM306",
        "`await` inside a generator makes an async generator, which cannot be kept",
        "use a list comprehension, which may await: `[await act(x) for x in xs]`",
    ),
    "Import": (
        "WM104",
        "`import` runs a module's code",
        "import at the top of the module, or inside an @action",
    ),
    "ImportFrom": (
        "WM104",
        "`import` runs a module's code",
        "import at the top of the module, or inside an @action",
    ),
    "Global": (
        "WM105",
        "`global` shares state between runs and processes",
        "keep the value in a local variable, or store it in an @action",
    ),
    "Nonlocal": (
        "WM105",
        "`nonlocal` writes a variable of another function",
        "return the value and assign it where it is kept",
    ),
    "Yield": (
        "WM106",
        "a workflow returns once; it cannot `yield`",
        "collect the values in a list and return it",
    ),
    "YieldFrom": (
        "WM106",
        "a workflow returns once; it cannot `yield from`",
        "collect the values in a list and return it",
    ),
    "ClassDef": (
        "WM107",
        "a class defined here would have no name to store",
        "move it to the module",
    ),
    "With": (
        "WM113",
        "`with` enters `contextlib.suppress` alone; this may hold a resource",
        "open and close the resource inside one @action",
    ),
}


def refused_syntax(node: ast.AST) -> Advice:
    known = _SYNTAX.get(type(node).__name__)
    if known is not None:
        return known
    return (
        "WM108",
        f"`{type(node).__name__}` is syntax that a workflow does not support yet",
        "write it another way, or move it into an @action",
    )


def unknown_field(node: ast.AST, field: str) -> Advice:
    return (
        "WM108",
        f"`{field}` of `{type(node).__name__}` is syntax that a workflow does not support yet",
        "write it another way, or move it into an @action",
    )


def reserved_name(name: str) -> Advice:
    return "WM109", f"the name `{name}` is reserved", "choose another name"


def foreign_write(name: str) -> Advice:
    return "WM201", f"`{name}` is not a variable of this function", "assign to a local variable"


def missing_name(name: str) -> Advice:
    known = _REFUSED_BUILTINS.get(name)
    if known is not None:
        return "WM202", known[0], known[1]
    return "WM201", f"the name `{name}` is not defined", "define it, or import it at the top"


def missing_member(path: str) -> Advice:
    return "WM201", f"`{path}` does not exist on this Python", "check its spelling and version"


_DYNAMIC = "names an attribute here that only shows at run time"
_LITERAL = "write the name as a literal"

_REFUSED_BUILTINS: dict[str, tuple[str, str]] = {
    "print": ("`print` writes to the process that happens to run this", _ACTION),
    "open": ("`open` touches a file", _ACTION),
    "input": ("`input` reads a terminal", "pass the value in, or read it in an @action"),
    "eval": ("`eval` runs text as code", "write the code out"),
    "exec": ("`exec` runs text as code", "write the code out"),
    "compile": ("`compile` runs text as code", "write the code out"),
    "__import__": ("`__import__` runs a module's code", "import at the top of the module"),
    "getattr": (
        f"`getattr` {_DYNAMIC}",
        'write the name as a literal: `getattr(value, "name", None)`',
    ),
    "hasattr": (f"`hasattr` {_DYNAMIC}", 'write the name as a literal: `hasattr(value, "name")`'),
    "setattr": (f"`setattr` {_DYNAMIC}", "write `value.name = ...`"),
    "delattr": (f"`delattr` {_DYNAMIC}", "write `del value.name`"),
    "id": ("`id` differs after a restart", "compare with `is`, or keep a key of your own"),
    "hash": ("`hash` differs between processes", "use `hashlib` on the encoded value"),
    "globals": ("`globals` reaches the whole module", "name what you need"),
    "locals": ("`locals` reaches every variable by name", "name what you need"),
    "vars": ("`vars` reaches every attribute by name", "name what you need"),
    "dir": ("`dir` lists what only shows at run time", "name what you need"),
    "super": ("`super` can only be called, in a method", "write `super().name(...)`"),
    "breakpoint": ("`breakpoint` stops the process", "debug the @action, or a test of it"),
    "memoryview": ("`memoryview` shares memory that cannot be stored", "use `bytes`"),
    "aiter": ("`aiter` is not supported yet", "fetch the items in an @action"),
    "anext": ("`anext` is not supported yet", "fetch the item in an @action"),
    "exit": ("`exit` ends the process", "use `return`"),
    "quit": ("`quit` ends the process", "use `return`"),
    "property": ("`property` makes a class's attribute", "move the class to the module"),
    "staticmethod": ("`staticmethod` makes a class's attribute", "move the class to the module"),
    "classmethod": ("`classmethod` makes a class's attribute", "move the class to the module"),
}

REFUSED_BUILTINS = frozenset(_REFUSED_BUILTINS)


_THREAD = "make it an @action (a plain `def` may be one) and await it"
_ITEMS = "keep the items in a list, with an `asyncio.Condition` for those who wait for one"
_ASYNCIO_LATER = {
    "Queue": _ITEMS,
    "LifoQueue": _ITEMS,
    "PriorityQueue": _ITEMS,
    "Barrier": "count in a variable, and wait for an `asyncio.Event`",
    "Future": "make one with `asyncio.get_running_loop().create_future()`",
    "Task": "make one with `asyncio.create_task(...)`",
    "all_tasks": "keep the tasks in a list",
}

# Facts and fixes for what people reach for most, by prefix.
_READ = "read it in an @action, or pass the value to `run`"
_ROUNDS = ("is how all of the process rounds", "round each value: `x.quantize(...)`")
_KNOWN_PATHS = (
    ("time.sleep", "blocks the whole process", "write `await asyncio.sleep(...)`"),
    ("time.", "reads the machine's clock or zone", "use `datetime.datetime.now(datetime.UTC)`"),
    ("os.environ", "differs between processes", _READ),
    ("os.getenv", "differs between processes", _READ),
    ("os.", "touches files or the process", _ACTION),
    ("sys.exit", "ends the process", "use `return`, or raise an exception of your own"),
    ("sys.", "belongs to one process", _READ),
    ("logging.", "writes a log of this process alone", "log inside an @action"),
    ("warnings.", "writes to the process that happens to run this", "warn inside an @action"),
    ("asyncio.to_thread", "runs outside the record", _THREAD),
    ("asyncio.run", "would begin a loop of its own", "await the coroutine"),
    ("asyncio.get_", "is the loop of one process", "await instead: a run has a loop of its own"),
    ("asyncio.Queue", "is not supported yet", "keep the items in a list"),
    ("asyncio.open_", "opens a connection, which no record can hold", _ACTION),
    ("asyncio.create_subprocess", "starts a process", _ACTION),
    ("json.load", "reads a file", "read the file in an @action, and use `json.loads`"),
    ("json.dump", "writes a file", "use `json.dumps`, and write the text in an @action"),
    ("pickle.", "runs code that data names", "use `json`, or plain values"),
    ("random.shuffle", "changes its argument", "take a copy: `random.sample(xs, len(xs))`"),
    ("random.seed", "changes what all of the process draws", "use `random.Random(seed)`"),
    ("random.SystemRandom", "belongs to one process", "use `random.random()` and its kin"),
    ("functools.cache", "keeps what it computed in this process", "keep a dict of your own"),
    ("functools.lru_cache", "keeps what it computed in this process", "keep a dict of your own"),
    ("functools.wraps", "writes into functions", "leave it off: the names of local functions stay"),
    ("decimal.getcontext", *_ROUNDS),
    ("decimal.setcontext", *_ROUNDS),
    ("decimal.localcontext", *_ROUNDS),
    ("calendar.month_", "depends on the machine's language", "keep the names in a constant"),
    ("calendar.day_", "depends on the machine's language", "keep the names in a constant"),
    ("locale.", "depends on the machine's language", _ACTION),
    ("csv.", "writes to a file", "build the text with `str.join`, or write it in an @action"),
    ("io.", "is an open file, which nothing can store", "use `str`, `bytes` or `splitlines()`"),
    ("subprocess.", "starts a process", _ACTION),
    ("multiprocessing.", "starts processes", _ACTION),
    ("concurrent.", "runs outside the record", _THREAD),
    ("threading.", "belongs to one process", _ACTION),
    ("contextvars.", "belongs to one process", "pass the value to `run`"),
    ("socket.", "opens a connection", _ACTION),
    ("urllib.request.", "opens a connection", _ACTION),
    ("http.", "opens a connection", _ACTION),
    ("smtplib.", "opens a connection", _ACTION),
    ("sqlite3.", "opens a database", _ACTION),
    ("shutil.", "touches files", _ACTION),
    ("tempfile.", "touches files", _ACTION),
    ("glob.", "touches files", _ACTION),
    ("pathlib.", "touches files", _ACTION),
    ("mimetypes.", "reads the machine's files", _ACTION),
    ("inspect.", "looks at code, which a run does not have", "name what you need"),
    ("importlib.", "runs a module's code", "import at the top of the module"),
    ("traceback.", "reads frames that a run does not have", "use `str(error)` or `repr(error)`"),
)


def stdlib_not_allowed(path: str) -> Advice:
    name = path.removeprefix("asyncio.")
    if path != name and name in _ASYNCIO_LATER:
        return "WM303", f"`{path}` is not supported yet", _ASYNCIO_LATER[name]
    for prefix, fact, fix in _KNOWN_PATHS:
        if path.startswith(prefix):
            return "WM207", f"`{path}` {fact}", fix
    return (
        "WM207",
        f"`{path}` is not in the list of pure functions",
        f"{_ACTION}, or wrap it in a function marked @waymark.pure if it has no effects",
    )


def module_as_value(path: str) -> Advice:
    return "WM215", f"the module `{path}` cannot be a value", f"name its function: `{path}.name`"


def must_be_called(path: str) -> Advice:
    return "WM216", f"`{path}` may only be called directly", "wrap it: `lambda x: ...`"


def only_in_with(path: str) -> Advice:
    return "WM216", f"`{path}` may only stand in a `with`", f"write `with {path}(...):`"


def not_callable(path: str) -> Advice:
    return "WM216", f"`{path}` cannot be called", "use it as a value"


def too_many_arguments(path: str, limit: int) -> Advice:
    if path == "type":
        return "WM216", "`type` with three arguments makes a class", "define it in the module"
    if path == "iter":
        return "WM216", "`iter` with a sentinel is a loop in disguise", "write a `while` loop"
    some = {0: "no argument", 1: "one argument"}.get(limit, f"at most {limit} arguments")
    return "WM216", f"`{path}` takes {some} here, written out", "leave the others out"


def name_not_literal(path: str) -> Advice:
    return (
        "WM216",
        f"`{path}` names something here that only shows at run time",
        "write the name as a literal, or use a lambda: `lambda x: x.name`",
    )


def attribute_of_self(function: str, name: str) -> Advice:
    fix = {"setattr": f"write `self.{name} = ...`", "delattr": f"write `del self.{name}`"}
    return (
        "WM202",
        f"`{function}` on `self` hides which attributes a run has",
        fix.get(function, f"set `self.{name} = None` in `__init__`, and read `self.{name}`"),
    )


def too_few_arguments(path: str, least: int) -> Advice:
    if path == "random.Random":
        return "WM216", "`random.Random()` takes its seed from the machine", "give it a seed"
    return "WM216", f"`{path}` needs at least {least} plain argument(s) here", "give them"


def keyword_not_allowed(path: str, keyword: str | None) -> Advice:
    what = "**" if keyword is None else f"`{keyword}=`"
    return "WM216", f"`{path}` does not take {what} here", "leave it out"


#: Python 3.15 has it: `[*items for items in lists]`.
UNPACKS: Advice = (
    "WM108",
    "unpacking in a comprehension is syntax that a workflow does not support yet",
    "write a second `for`: `[item for items in lists for item in items]`",
)
SELF_AS_VALUE: Advice = (
    "WM217",
    "`self` is no value in a graph whose `self` keeps nothing",
    "compile the workflow again",
)
TYPE_AS_VALUE: Advice = (
    "WM216",
    "`type` with three arguments makes a class, so it may only be called directly",
    "write `type(x)`, or `lambda x: type(x)`",
)
TEMPLATE: Advice = (
    "WM211",
    "a format template that is no literal and no constant can reach any attribute",
    "use an f-string, or choose the template from a constant: `TEXTS[language].format(name=name)`",
)
TEMPLATE_WALKS: Advice = (
    "WM211",
    "this format template reads an attribute or an item",
    "use an f-string",
)
TEMPLATE_OF_MAP: Advice = (
    "WM211",
    "`format_map` asks an object for what its template names",
    "write `template.format(**values)`",
)
DONE_CALLBACK: Advice = (
    "WM340",
    "a callback runs between the steps of the body, where nothing could record it",
    "wait for the task in one of its own: `asyncio.create_task(self.afterwards(task))`",
)
ASYNC_FOR: Advice = (
    "WM110",
    "`async for` goes over `asyncio.as_completed` alone; this is a stream, which has no record",
    "fetch the items in an @action that returns a list, then use `for`",
)
ASYNC_COMPREHENSION = ASYNC_FOR
ASYNC_WITH: Advice = (
    "WM111",
    "`async with` enters asyncio's groups, timeouts and locks alone; this may hold a resource",
    "open and close the resource inside one @action",
)
WITH: Advice = _SYNTAX["With"]


def unknown_attribute(name: str) -> Advice:
    return (
        "WM212",
        f"the workflow has no attribute `{name}`",
        "check its name, set it in `__init__`, or define it on the class",
    )


#: What says the same as a method that Python itself calls.
_SPELLED = {
    "__getitem__": "a function that looks up is `lambda key: values[key]`",
    "__contains__": "a function that tests is `lambda value: value in values`",
    "__len__": "call `len(values)`",
    "__dict__": "name the fields, or use `dataclasses.asdict(x)` or `x.model_dump()`",
}


def underscore_attribute(name: str) -> Advice:
    return (
        "WM203",
        f"`{name}` is private; it may lead anywhere",
        _SPELLED.get(name)
        or "use the public attribute, or read it in a function marked @waymark.pure",
    )


def kind_of_workflow(name: str) -> Advice:
    return (
        "WM217",
        f"`{name}` is a workflow, and no value of a body is an instance of one",
        "leave the test out, or ask for an attribute of the class: `self.kind`",
    )


def opaque(name: str, attribute: str) -> Advice:
    return (
        "WM203",
        f"`{name}` may be called here; its attribute `{attribute}` is out of reach",
        "keep what you need of it in a constant of the module",
    )


def state_write(name: str) -> Advice:
    return (
        "WM213",
        f"`self.{name}` cannot be assigned in a graph whose `self` keeps nothing",
        "compile the workflow again",
    )


def table_write(name: str) -> Advice:
    return (
        "WM213",
        f"`{name}` is shared by all runs and cannot be changed",
        "change a copy, in a local variable or on `self`",
    )


def constant_mutated(name: str, method: str) -> Advice:
    return (
        "WM210",
        f"`{name}` is a constant, so `.{method}` cannot change it",
        f"copy it first: `{name.rpartition('.')[2].lower()} = list({name})` (or dict, set)",
    )


def run_apart(spelled: str, workflow: str) -> Advice:
    return (
        "WM372",
        f"`{spelled}` starts or shows runs that stand apart from this one",
        f"await `{workflow}().run(...)` as a child, or submit it in an @action",
    )


def child_arguments(workflow: str) -> Advice:
    return (
        "WM370",
        f"`{workflow}(...)` is made anew in the process that runs it, without arguments",
        f"pass them to its run: `{workflow}().run(...)`",
    )
