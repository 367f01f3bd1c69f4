"""`self`, `cls` and `super()` in a function's body.

Python looks attributes up when the code runs; a workflow's class never changes,
so what can be decided here is. After it the receiver is called `self` or `cls`,
`x.__class__` is `type(x)`, and `super().method(x)` is a plain call of the
next class's function, `Base_method(self, x)`.
"""

from __future__ import annotations

import ast
from typing import TypeGuard

from waymark.authoring.workflow import Workflow
from waymark.graph import advice
from waymark.graph.model import HIDDEN, Name

from .members import SHADOWED, find_member, own_attribute, own_operation
from .names import MISSING, Refusal
from .reach import Receiver
from .table import Table

_MUTATORS = frozenset(
    {"add", "append", "appendleft", "clear", "discard", "extend", "insert", "pop"}
    | {"popitem", "popleft", "remove", "reverse", "setdefault", "sort", "update"}
)


class ReceiverNames:
    """Decides what stands behind the receiver of one function. `word` is the
    author's name for it, `kind` what it is."""

    def __init__(self, table: Table, word: str | None, kind: Receiver) -> None:
        self.table = table
        self.reach = table.reach
        self.word = word
        self.kind: Receiver = kind

    def is_receiver(self, node: ast.AST) -> TypeGuard[ast.Name]:
        return (
            isinstance(node, ast.Name)
            and node.id == self.word
            and not self.table.is_variable(node.id)
        )

    def value(self, node: ast.Name) -> ast.Name:
        """The receiver itself, held as a value."""
        if self.kind == "self":
            self.reach.stateful = self.reach.escapes = True
        node.id = self.kind
        return node

    # Attributes

    def attribute(self, node: ast.Attribute) -> ast.expr | None:
        """`self.name` and `cls.name` in prepared form, None where what was refused
        has no form."""
        if node.attr == "__class__" and self.kind == "self" and isinstance(node.ctx, ast.Load):
            return self.own_class(node)
        if self.kind == "cls" and node.attr in ("__name__", "__qualname__"):
            name = getattr(self.reach.definition.cls, node.attr)
            return ast.copy_location(ast.Constant(name), node)
        path = own_operation(self.reach.definition.cls, node.attr)
        if path is not None and isinstance(node.ctx, ast.Load) and self.kind == "self":
            return self.table.operation(node, path)
        node.attr = self.mangled(node.attr)
        node.value = ast.copy_location(ast.Name(self.kind, ast.Load()), node.value)
        if isinstance(node.ctx, ast.Load):
            return node if self.read(node, node.attr) else None
        self.written(node)
        return node

    def own_class(self, node: ast.Attribute) -> ast.expr:
        self.reach.stateful = True
        return self.class_of(node, ast.copy_location(ast.Name("self", ast.Load()), node))

    def class_of(self, node: ast.Attribute, value: ast.expr) -> ast.expr:
        """`value.__class__`, said as `type(value)`."""
        if self.table.is_variable("type"):
            self.table.report(node, *advice.reserved_name("type"))
        function = ast.copy_location(ast.Name("type", ast.Load()), node)
        return ast.copy_location(ast.Call(function, [value], []), node)

    def may_have(self, node: ast.Call, function: str, name: str) -> bool:
        """Note that `hasattr(self, "name")`, or `getattr` with a default, asks for what
        `self` need not have; False when that is refused."""
        if self.kind != "self" or function not in ("getattr", "hasattr"):
            self.table.report(node, *advice.attribute_of_self(function, name))
            return False
        self.reach.stateful = True
        if self.class_value(name) is MISSING:
            return True
        return self.read(node, name)

    def mangled(self, name: str) -> str:
        """The private name that Python makes of `__name` inside a class."""
        if not name.startswith("__") or name.endswith("__"):
            return name
        owner = self.table.namespace.function.__qualname__.rpartition(".")[0].rpartition(".")[2]
        return f"_{owner.lstrip('_')}{name}"

    def read(self, node: ast.AST, name: str) -> bool:
        """Note that `name` is read through the receiver; False when that is refused."""
        if name.startswith("__"):
            # The checker has the words for it.
            return True
        entry = own_attribute(self.reach, name)
        if isinstance(entry, Refusal):
            self.table.report(node, entry.code, entry.fact, entry.fix)
            return False
        if entry is None and self.kind == "cls":
            self.table.report(node, *advice.unknown_attribute(name))
        elif entry is None or self.takes_self(entry):
            self.reach.stateful = True
        return True

    def takes_self(self, entry: Name) -> bool:
        """Whether reaching this member, or calling it, needs the instance."""
        if entry.kind in ("property", "cached_property"):
            return True
        return entry.kind == "function" and self.reach.receiver_of(entry.ref) == "self"

    def maybe_read(self, name: str) -> None:
        """Where `self` has other names, any dot may read from the class."""
        if self.reach.facts.escapes and not name.startswith("_"):
            own = find_member(self.reach.definition.cls, name, name)
            if own is not None and not hasattr(Workflow, name):
                own_attribute(self.reach, name)

    def written(self, node: ast.Attribute) -> None:
        name = node.attr
        if self.kind == "cls":
            self.table.report(node, *advice.table_write(f"cls.{name}"))
            return
        self.reach.stateful = True
        self.reach.stored.add(name)
        if name.startswith(("__", HIDDEN)):
            self.table.report(node, *advice.reserved_name(name))
        elif name == "run" or (hasattr(Workflow, name) and name not in SHADOWED):
            self.table.report(node, *advice.table_write(f"self.{name}"))
        elif self.class_value(name).__class__ is property:
            self.table.report(
                node,
                "WM220",
                f"`self.{name}` is a property; setting one is not supported",
                f"write a method (`self.set_{name}(...)`) and call it",
            )

    def class_value(self, name: str) -> object:
        member = find_member(self.reach.definition.cls, name, name)
        return MISSING if member is None else member.value

    def mutated(self, function: ast.expr) -> None:
        """Report `self.ITEMS.append` where the class alone has the list."""
        if not (isinstance(function, ast.Attribute) and function.attr in _MUTATORS):
            return
        owner = function.value
        if isinstance(owner, ast.Attribute) and self.is_receiver(owner.value):
            entry = self.reach.attributes.get(owner.attr)
            stored = owner.attr in self.reach.facts.stored
            if entry is not None and entry.kind in ("constant", "display") and not stored:
                spelled = f"{self.kind}.{owner.attr}"
                self.table.report(function, *advice.constant_mutated(spelled, function.attr))

    # The classes above

    def is_super(self, node: ast.AST) -> TypeGuard[ast.Call]:
        return (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "super"
            and self.table.live(node.func) is MISSING
            and not self.table.is_variable("super")
        )

    def refuse_super(self, call: ast.Call) -> None:
        self.table.report(call, *_SUPER)

    def super_member(self, node: ast.Attribute, call: ast.Call) -> ast.expr | None:
        """The function or value that `super().name` finds; a function still lacks
        its receiver. None where that was refused."""
        after = self.super_class(call)
        if after is None or not isinstance(node.ctx, ast.Load):
            self.refuse_super(call)
            return None
        name = self.mangled(node.attr)
        member = find_member(self.reach.definition.cls, name, f"super().{name}", after)
        if member is None and name == "__init__":
            # That of `object`, which does nothing.
            return ast.copy_location(ast.Constant(None), node)
        if member is None or (hasattr(Workflow, name) and name != "__init__"):
            self.table.report(node, *_nothing_above(name))
            return None
        return self.table.member(node, member, unwrapped=True)

    def super_class(self, call: ast.Call) -> type | None:
        """The class whose `super` it is."""
        if self.word is None or call.keywords or len(call.args) not in (0, 2):
            return None
        if call.args:
            found = self.table.live(call.args[0])
            if not self.is_receiver(call.args[1]):
                return None
        else:
            found = self.table.namespace.look_up("__class__")
        order = self.reach.definition.cls.__mro__
        return found if isinstance(found, type) and found in order else None

    def super_call(self, node: ast.Call, function: ast.Attribute, call: ast.Call) -> ast.expr:
        """`super().method(x)`, whose arguments are prepared."""
        found = self.super_member(function, call)
        if not isinstance(found, ast.Name):
            return ast.copy_location(ast.Constant(None), node)
        if self.is_property(found):
            node.func = self.given(found)
        else:
            node.func = found
            node.args = [*self.first_argument(found), *node.args]
        return node

    def super_attribute(self, node: ast.Attribute, call: ast.Call) -> ast.expr | None:
        """`super().name` where it is not called."""
        found = self.super_member(node, call)
        if not isinstance(found, ast.Name):
            return found
        first = self.first_argument(found)
        if self.is_property(found):
            return self.given(found)
        if not first:
            return found
        text = f"lambda *args, **kwargs: {found.id}({ast.unparse(first[0])}, *args, **kwargs)"
        return ast.copy_location(ast.parse(text, mode="eval").body, node)

    def is_property(self, found: ast.Name) -> bool:
        entry = self.table.prepared.names[found.id]
        return entry.ref in self.reach.properties

    def given(self, found: ast.Name) -> ast.expr:
        call = ast.Call(found, self.first_argument(found), [])
        return ast.copy_location(call, found)

    def first_argument(self, found: ast.Name) -> list[ast.expr]:
        """What the function is bound to: nothing, the instance or its class."""
        receiver = self.reach.receiver_of(self.table.prepared.names[found.id].ref)
        if receiver == "":
            return []
        if self.kind == "self":
            self.reach.stateful = True
        own = ast.copy_location(ast.Name(self.kind, ast.Load()), found)
        if receiver == self.kind:
            return [own]
        of = ast.copy_location(ast.Name("type", ast.Load()), found)
        return [ast.copy_location(ast.Call(of, [own], []), found)]


_SUPER = (
    "WM222",
    "this `super()` cannot be followed; it needs a method of the workflow's, and a name",
    "write `super().method(...)`, or `Base.method(self, ...)`",
)


def _nothing_above(name: str) -> advice.Advice:
    return (
        "WM212",
        f"no class above this one has `{name}`",
        "check its name, and the order of the base classes",
    )
