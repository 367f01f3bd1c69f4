"""Names: what they stand for, when they are resolved, and what is refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.compiler.authored import body, define, definition_of
from waymark import Workflow, workflow
from waymark.authoring.registry import registry
from waymark.errors import WorkflowCompileError
from waymark.graph.model import Compute, Graph, Name, Return


def compiled(prefix: str, text: str, suffix: str = "") -> Graph:
    return definition_of(define(prefix + "\n" + body(text) + suffix)).graph


def names(graph: Graph) -> dict[str, Name]:
    return graph.functions[0].names


def returned(graph: Graph) -> str:
    last = graph.functions[0].body[-1]
    assert isinstance(last, Return)
    assert last.value is not None
    return last.value.text


def codes(text: str, prefix: str = "", suffix: str = "") -> set[str]:
    with pytest.raises(WorkflowCompileError) as caught:
        compiled(prefix, text, suffix)
    return {found.code for found in caught.value.diagnostics}


# Names of the standard library


def test_library_functions_are_known_under_any_name() -> None:
    """Aliases and from-imports are the same functions."""
    prefix = (
        "import datetime as dt\nfrom asyncio import sleep as nap, gather\n"
        "from math import sqrt\nfrom uuid import uuid4\nimport urllib.parse\n"
        "from datetime import datetime, UTC"
    )
    text = (
        "await nap(1)\nawait gather(slow(1))\n"
        "return sqrt(4), uuid4(), dt.datetime.now(dt.UTC), datetime.now(UTC),"
        " urllib.parse.quote('a')"
    )
    graph = compiled(prefix, text)
    table = names(graph)
    assert table["nap"] == Name("stdlib", ref="asyncio.sleep")
    assert table["gather"] == Name("stdlib", ref="asyncio.gather")
    assert table["sqrt"] == Name("stdlib", ref="math.sqrt")
    assert table["uuid4"] == Name("stdlib", ref="uuid.uuid4")
    assert table["dt"] == Name("stdlib", ref="datetime")
    assert table["datetime"] == Name("stdlib", ref="datetime.datetime")
    assert table["UTC"].kind == "constant"
    assert [node.kind for node in graph.functions[0].body[:2]] == ["sleep", "join"]  # type: ignore[union-attr]


def test_library_functions_that_touch_the_world_are_refused_under_any_name() -> None:
    assert codes("return nap(1)", "from time import sleep as nap") == {"WM207"}
    assert codes("return env['HOME']", "from os import environ as env") == {"WM208"}
    assert codes("return getenv('HOME')", "from os import getenv") == {"WM207"}


# Constants


def test_module_constants_are_part_of_the_graph() -> None:
    """A change of a constant is a change of the workflow."""
    text = "return LIMIT, RATES, await slow(1)"
    one = compiled("LIMIT = 3\nRATES = {'a': [1]}", text)
    assert names(one)["LIMIT"] == Name("constant", value="3")
    assert json.loads(names(one)["RATES"].value) == {"a": [1]}
    first = definition_of(define("LIMIT = 3\n" + body("return LIMIT"), name="constants")).hash
    same = definition_of(define("\n\nLIMIT = 3\n" + body("return LIMIT"), name="constants")).hash
    other = definition_of(define("LIMIT = 4\n" + body("return LIMIT"), name="constants")).hash
    assert first == same != other


def test_a_huge_constant_is_refused() -> None:
    """A graph is read by people and kept for each version."""
    assert codes("return len(TABLE)", "TABLE = 'x' * 1_000_001") == {"WM402"}


def test_constants_may_hold_classes_members_and_models() -> None:
    prefix = (
        "from enum import Enum\nfrom dataclasses import dataclass\n"
        "class Color(Enum):\n    RED = 1\n"
        "@dataclass\nclass Point:\n    x: int\n"
        "HANDLED = (ValueError, KeyError)\nBEST = Color.RED\nORIGIN = Point(0)\n"
    )
    graph = compiled(prefix, "return HANDLED, BEST, ORIGIN, Color.RED, Point(1)")
    table = names(graph)
    assert {table[name].kind for name in ("HANDLED", "BEST", "ORIGIN")} == {"constant"}
    assert {table[name].kind for name in ("Color", "Point")} == {"class"}
    assert registry.types.resolve(table["Color"].ref) is not None


def test_closures_give_constants_too() -> None:
    prefix = (
        "def make(limit):\n    @workflow\n    class Inner(Workflow):\n"
        "        async def run(self) -> Any:\n            return limit\n    return Inner\n"
        "Inner = make(7)\n"
    )
    graph = definition_of(define(prefix), "Inner").graph
    assert names(graph)["limit"] == Name("constant", value="7")


@pytest.mark.parametrize(
    "definition",
    [
        "import os\nVALUE = os.environ.get('A')",
        "import os\nVALUE = os.environ['PATH'] + 'x'",
        "from os import environ\nVALUE = environ.get('A')",
        "import os\nBASE = os.getenv('A')\nVALUE = f'{BASE}/x'",
        "import os\nif True:\n    VALUE = int(os.getenv('A', '1'))",
        "import os\ntry:\n    VALUE: str = os.getcwd()\nexcept OSError:\n    VALUE = ''",
        "import time\nVALUE = time.time()",
        "from datetime import datetime\nVALUE = datetime.now()",
        "import random\nVALUE = random.random()",
        "from pathlib import Path\nVALUE = Path('/dev/null').read_text()",
        "with open('/dev/null') as file:\n    VALUE = file.read()",
        "import uuid\nVALUE = uuid.uuid4()",
        "VALUE = 1\nimport os\nVALUE += os.getpid()",
    ],
)
def test_constants_from_outside_are_refused(definition: str) -> None:
    """No secret lands in a graph, and no two processes get two graphs."""
    assert codes("return VALUE", _with_file(definition)) == {"WM209"}


def _with_file(definition: str) -> str:
    """Modules from files know their own; these have none."""
    return "__file__ = compile('0', '', 'eval').co_filename or f'<{__name__}>'\n" + definition


def test_constants_imported_from_another_module_are_followed_there() -> None:
    """Settings usually live in a module of their own."""
    settings = define(_with_file("import os\nTOKEN = os.getenv('TOKEN', 'x')\nPLAIN = 1"))
    prefix = f"from {settings.__name__} import TOKEN, PLAIN\nimport {settings.__name__} as settings"
    prefix = _with_file(prefix)
    assert codes("return TOKEN", prefix) == {"WM209"}
    assert codes("return settings.TOKEN", prefix) == {"WM209"}
    assert compiled(prefix, "return PLAIN, settings.PLAIN") is not None


# When names are resolved


def test_actions_may_be_defined_below() -> None:
    """The decorator leaves open what is not there yet; linking finds it."""
    later = "@action\nasync def later(x: int) -> int: ...\n\nLIMIT = 3\n"
    module = define(body("if LIMIT > 2:\n    return await later(1)") + later)
    definition = definition_of(module)
    assert definition.compiled is not None
    assert definition.compiled.graph is None
    assert set(definition.compiled.unresolved) == {"LIMIT", "later"}
    table = names(definition.graph)
    assert table["later"].kind == "action"
    assert table["LIMIT"] == Name("constant", value="3")


def test_what_is_wrong_shows_at_once_even_with_names_open() -> None:
    """A violation does not wait for the start of the app."""
    with pytest.raises(WorkflowCompileError) as caught:
        define(body("print(await later(1))"))
    assert [found.code for found in caught.value.diagnostics] == ["WM202"]


def test_wrong_arguments_of_a_later_action_show_when_linked() -> None:
    module = define(body("return await later(1, 2)") + "@action\nasync def later(x: int): ...\n")
    with pytest.raises(WorkflowCompileError) as caught:
        definition_of(module).link()
    assert [found.code for found in caught.value.diagnostics] == ["WM205"]


def test_a_name_that_never_resolves_is_an_error_with_its_line() -> None:
    module = define(body("x = 1\nreturn await sloww(x)"))
    with pytest.raises(WorkflowCompileError) as caught:
        definition_of(module).link()
    (found,) = caught.value.diagnostics
    assert (found.code, found.text.strip()) == ("WM201", "return await sloww(x)")
    assert found.hint == "did you mean `slow`?"


def test_members_that_this_python_lacks_are_refused() -> None:
    """A catalogue lists what some Python has; the graph must run on this one."""
    assert codes("return math.sqroot(4)", "import math") == {"WM201"}


def test_the_authors_names_hide_builtins() -> None:
    """Closure and module come before builtins, as in Python."""
    prefix = "@pure\ndef len(x):\n    return 7\nsum = 3"
    table = names(compiled(prefix, "return len([]), sum, max([1])"))
    assert table["len"].kind == "pure"
    assert table["sum"] == Name("constant", value="3")
    assert "max" not in table


# Modules of the user's


@pytest.fixture
def shop() -> Any:
    module = define(
        "import enum\nLIMIT = 3\n"
        "class Color(enum.Enum):\n    RED = 1\n"
        "class Sold(Exception): ...\n"
        "async def helper(x):\n    return await slow(x)\n"
    )
    package = ModuleType("a_package")
    package.shop = module  # type: ignore[attr-defined]
    sys.modules["a_package"] = package
    yield module
    del sys.modules["a_package"]


def test_members_of_the_users_modules_become_names(shop: ModuleType) -> None:
    """`from app import actions` and `actions.send(...)` is how people write."""
    prefix = f"import a_package\nimport {shop.__name__} as shop"
    text = (
        "try:\n    x = await shop.slow(1)\nexcept a_package.shop.Sold:\n    x = 0\n"
        "y = await shop.helper(1)\nreturn x, y, shop.Color.RED, a_package.shop.LIMIT"
    )
    graph = compiled(prefix, text)
    table = names(graph)
    assert table["shop_slow"] == Name("action", ref=f"{shop.__name__}:slow")
    assert table["shop_helper"] == Name("helper", ref="helper")
    assert table["a_package_shop_Sold"].kind == "class"
    assert table["shop_Color"].kind == "class"
    assert returned(graph) == "(x, y, shop_Color.RED, a_package_shop_LIMIT)"
    assert graph.functions[1].path == f"<{shop.__name__}>"


def test_made_names_never_meet_the_authors(shop: ModuleType) -> None:
    prefix = f"import {shop.__name__} as shop\nshop_LIMIT = 'mine'"
    graph = compiled(prefix, "return shop.LIMIT, shop_LIMIT")
    table = names(graph)
    assert table["shop_LIMIT"] == Name("constant", value='"mine"')
    assert table["shop_LIMIT_"] == Name("constant", value="3")


# The class


CLASS = """
class Base2(Workflow):
    LIMIT = 3
    _rate = 0.5

    async def inherited(self, x: int) -> Any:
        return await slow(x + self.LIMIT)

    async def replaced(self) -> Any:
        return 1

    @staticmethod
    async def fixed(x: int) -> Any:
        return await slow(x)

@workflow
class W(Base2):
    LIMIT = 4

    async def run(self) -> Any:
        first = await self.inherited(1) + await self.replaced()
        return first, await self.fixed(2), self._rate, await self.down(3), W.LIMIT, Base2.LIMIT

    async def replaced(self) -> Any:
        return 2

    async def down(self, n: int) -> Any:
        return n and await self.down(n - 1)
"""


def test_methods_and_constants_of_the_class() -> None:
    graph = definition_of(define(CLASS)).graph
    assert [function.name for function in graph.functions] == [
        "run",
        "Base2.inherited",
        "W.replaced",
        "Base2.fixed",
        "W.down",
    ]
    assert [function.method for function in graph.functions] == [True, True, True, False, True]
    assert graph.attributes["LIMIT"] == Name("constant", value="4")
    assert graph.attributes["_rate"] == Name("constant", value="0.5")
    assert graph.attributes["inherited"] == Name("helper", ref="Base2.inherited")
    assert names(graph)["W_LIMIT"] == Name("constant", value="4")
    assert names(graph)["Base2_LIMIT"] == Name("constant", value="3")


def test_self_may_have_another_name() -> None:
    text = (
        "@workflow\nclass W(Workflow):\n    rate = 2\n"
        "    async def run(this, x: int = 1) -> Any:\n        return this.rate + x\n"
    )
    graph = definition_of(define(text)).graph
    assert returned(graph) == "self.rate + x"
    assert [parameter.name for parameter in graph.functions[0].parameters] == ["x"]


def test_run_may_call_itself() -> None:
    module = define(body("return n and await self.run(n - 1)", "self, n: int"))
    graph = definition_of(module).graph
    assert [function.name for function in graph.functions] == ["run"]
    assert graph.attributes["run"] == Name("helper", ref="run")


def test_defaults_are_constants() -> None:
    module = define("X = [1]\n" + body("return a", "self, a=X, /, b=2, *c, d, e=None, **f"))
    run = definition_of(module).graph.functions[0]
    assert [(p.name, p.kind, bool(p.default)) for p in run.parameters] == [
        ("a", "positional", True),
        ("b", "normal", True),
        ("c", "var_positional", False),
        ("d", "keyword", False),
        ("e", "keyword", True),
        ("f", "var_keyword", False),
    ]
    assert run.names["_waymark_default_a"] == Name("constant", value="[1]")


# Source


def test_source_that_changed_is_refused() -> None:
    """A file that was saved since the import no longer says what would run."""
    import linecache

    module = define(body("return 1"))
    definition = definition_of(module)
    path = definition.authored.__code__.co_filename
    old = linecache.cache[path]
    changed = [line.replace("return 1", "return 2") for line in old[2]]
    linecache.cache[path] = (old[0], None, changed, path)
    definition.compiled = None
    with pytest.raises(WorkflowCompileError) as caught:
        definition.link()
    assert [found.code for found in caught.value.diagnostics] == ["WM102"]


def test_text_without_a_name_is_not_taken_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """From 3.13 on, `linecache` has the text of `python -c` as that of `<string>`."""
    import linecache

    lines = ["import this\n"] * 9
    monkeypatch.setitem(linecache.cache, "<string>", (1, None, lines, "<string>"))
    text = "@workflow\nclass W(Workflow):\n    async def run(self): ...\n"
    with pytest.raises(WorkflowCompileError) as caught:
        exec(text, {"Workflow": Workflow, "workflow": workflow, "__name__": "nameless"})
    (found,) = caught.value.diagnostics
    assert (found.code, found.text) == ("WM101", "")


def test_a_workflow_in_a_rewritten_test_module_compiles() -> None:
    """pytest rewrites `assert`, so the function's code is not what the text gives."""
    from tests.compiler.asserting import Asserting

    assert Asserting.__waymark__.graph.functions[0].body


def test_asserts_are_left_out_where_python_leaves_them_out(tmp_path: Path) -> None:
    """Under `-O` the authored body has none, so the graph has none."""
    (tmp_path / "plain.py").write_text(
        "from waymark import Workflow, workflow\n"
        "@workflow\nclass W(Workflow):\n    async def run(self, x: int) -> int:\n"
        "        assert x\n        return x\n"
        "print([type(n).__name__ for n in W.__waymark__.graph.functions[0].body])\n"
    )
    for flag, expected in (("-B", "['Compute', 'Return']"), ("-OB", "['Return']")):
        ran = subprocess.run(
            [sys.executable, flag, "plain.py"], cwd=tmp_path, capture_output=True, check=True
        )
        assert ran.stdout.decode().strip() == expected


def test_columns_are_characters() -> None:
    """The parser counts bytes; people count characters."""
    with pytest.raises(WorkflowCompileError) as caught:
        define(body("return 'äöü🙂', print(1)"))
    (found,) = caught.value.diagnostics
    assert found.text[found.column - 1 : found.end_column - 1] == "print"


def test_traceback_shows_the_caret() -> None:
    """Without reading the message, the plain traceback points at the place."""
    import traceback

    with pytest.raises(WorkflowCompileError) as caught:
        define(body("return print(1)"))
    shown = "".join(traceback.format_exception_only(caught.value))
    assert "        return print(1)" in shown
    assert "^^^^^" in shown


def test_pure_code_may_use_lambdas_and_local_functions_at_once() -> None:
    text = (
        "def key(x: int) -> int:\n    return -x\n"
        "rows = sorted(await slow([1]), key=lambda x: -x)\n"
        "return rows"
    )
    module = define(body(text))
    first = definition_of(module).graph.functions[0].body[0]
    assert isinstance(first, Compute)
    assert first.code.text == "def key(x):\n    return -x"
