"""`@workflow`: a class whose `run` is compiled and from then on durable."""

from __future__ import annotations

import builtins
import functools
import inspect
from collections.abc import Callable, Coroutine, Mapping, Sequence
from copy import copy
from datetime import timedelta
from functools import cached_property
from types import FrameType, FunctionType
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Literal,
    ParamSpec,
    Protocol,
    Self,
    TypeVar,
    cast,
    overload,
)

from waymark.errors import NotStartedError, RegistrationError, WaymarkError
from waymark.graph.model import Graph

from . import hooks
from .annotations import defining_namespace, reached, resolve, signature_of
from .announcing import announced
from .handle import RunHandle
from .hooks import Compiled
from .naming import checked_name, registered_name
from .options import NO_OPTIONS, RunOptions, checked_options
from .policies import RetryPolicy, attempts
from .registry import registry
from .visual import Visual, show_classes

if TYPE_CHECKING:
    from waymark.values import Arguments, Plan, TypeRegistry

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)

#: Attribute of the durable `run`, holding the function it was authored as.
AUTHORED = "__waymark_authored__"
#: Attribute of a workflow's object, see `Workflow.options`.
_OPTIONS = "__waymark_options__"
#: In the dictionary of an object that was made with arguments.
_MADE_WITH = "__waymark_made_with__"


class HasRun(Protocol[P, R_co]):
    """A class with an async `run`: what `submit` takes its types from."""

    def run(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R_co]: ...


class WorkflowDefinition:
    """One decorated workflow class, found at `cls.__waymark__`.

    `authored` is `run` as it was written; `signature` is without `self`.
    """

    def __init__(
        self,
        cls: type[Workflow],
        name: str,
        authored: Callable[..., Any],
        namespace: Mapping[str, Any] | None = None,
        ignore: tuple[str, ...] = (),
    ) -> None:
        self.cls = cls
        self.name = name
        self.authored = authored
        #: Codes of warnings that are not shown.
        self.ignore = ignore
        self.compiled: Compiled | None = None
        self._namespace: Mapping[str, Any] = namespace or {}

    @cached_property
    def signature(self) -> inspect.Signature:
        signature = signature_of(self.authored)
        return signature.replace(parameters=list(signature.parameters.values())[1:])

    @cached_property
    def hints(self) -> Mapping[str, Any]:
        """Resolved annotations of `run`; what cannot be resolved is `Any`. Not to
        be asked for while the module is still being imported."""
        meaningless: set[str] = set()
        hints = resolve(self.authored, self._namespace, final=True, meaningless=meaningless)
        registry.types.meaningless.update(dict.fromkeys(meaningless, self.name))
        return hints

    @cached_property
    def arguments(self) -> Arguments:
        """The recorded form of `run`'s arguments."""
        from waymark.values import Arguments

        self.teach(registry.types)
        name = f"{self.cls.__qualname__}.run"
        return Arguments.for_signature(self.signature, self.hints, registry.types, name)

    @cached_property
    def result_plan(self) -> Plan[Any]:
        """The recorded form of `run`'s result."""
        from waymark.values import plan_for

        self.teach(registry.types)
        return plan_for(self.hints.get("return", Any), registry.types)

    @cached_property
    def graph(self) -> Graph:
        """The compiled graph, every name resolved. Raises WorkflowCompileError."""
        graph = self.link().graph
        assert graph is not None, "link leaves no name unresolved"
        return graph

    @cached_property
    def hash(self) -> bytes:
        """Content hash of the graph, 16 bytes. Raises WorkflowCompileError."""
        return self.link().hash

    @cached_property
    def document(self) -> str:
        """The graph as JSON text. Raises WorkflowCompileError."""
        return self.link().document

    def link(self) -> Compiled:
        """The compiled form with every name resolved, compiled again when the
        decorator had to leave names open. Raises WorkflowCompileError."""
        if self.compiled is None or self.compiled.graph is None:
            if hooks.compiler is None:
                raise NotStartedError(
                    f"workflow {self.name} cannot be compiled: `import waymark` installs the"
                    " compiler, and only a part of the package was imported"
                )
            self.compiled = announced(hooks.compiler(self, True))
        return self.compiled

    def teach(self, types: TypeRegistry) -> None:
        """Add every class that arguments and result can bring into a run."""
        for hint in self.hints.values():
            types.add(hint)
        for unannotated in reached(self.authored):
            types.add(unannotated)

    def __repr__(self) -> str:
        return f"<workflow {self.name}>"


class Workflow:
    """Base of every workflow. A subclass writes `async def run` and is decorated
    with `@workflow`; from then on `run` is durable: it submits a run and waits
    for its result, and the authored body itself is never executed."""

    __waymark__: ClassVar[WorkflowDefinition]
    #: Set by `options`, on the object that it returns.
    __waymark_options__: RunOptions = NO_OPTIONS

    def options(
        self, *, delay: float | timedelta | None = None, priority: int | None = None
    ) -> Self:
        """This workflow, to be submitted otherwise than by default:
        `Welcome().options(delay=3600).submit(user)`.

        `delay`, in seconds or a timedelta, is how long the run waits before it begins;
        until then it is a row, whatever processes come and go. `priority` is from -32,768
        to 32,767: of the runs that wait for a process, and of the calls that wait for a
        slot in one, those of the highest go first. Without it a run has 0, a child its
        parent's. What is None stays as it is. Raises TypeError and ValueError for what
        can never apply.
        """
        made = copy(self)
        made.__waymark_options__ = checked_options(self.__waymark_options__, delay, priority)
        return made

    async def submit(self: HasRun[P, R_co], *args: P.args, **kwargs: P.kwargs) -> RunHandle[R_co]:
        """Store a run with the arguments of `run`, and return once it is committed.

        Raises TypeError for wrong arguments, ValueEncodeError for one that cannot
        be stored, NotStartedError. Nothing is stored then.
        """
        definition = definition_of(type(self))
        _refuse_state(self)
        arguments = definition.arguments.record(args, kwargs)
        options: RunOptions = getattr(self, _OPTIONS)
        run_id = await hooks.client().submit(definition, arguments, options)
        return RunHandle(run_id, definition.name, definition)

    def run_action(
        self,
        call: Coroutine[Any, Any, R],
        /,
        *,
        retry: RetryPolicy | None = None,
        timeout: float | timedelta | None = None,
        total_timeout: float | timedelta | None = None,
    ) -> Coroutine[Any, Any, R]:
        """The call of an action, `act(x)`, under a policy of its own.

        `retry` says how often it is tried, `timeout` (seconds or a timedelta) how long
        each attempt may take, `total_timeout` how long all of them with their pauses:
        ActionTimeout, a TimeoutError, is the failure then. What is None is as the
        action's decorator says. In a run the failures are recorded,
        so that a crash counts none twice, and the pauses go on after it. Raises
        TypeError and ValueError for what can never apply.
        """
        return attempts(call, retry, timeout, total_timeout)

    @overload
    async def wait_for_event(
        self,
        name: str,
        *,
        type: builtins.type[T],
        timeout: float | timedelta | None = None,
    ) -> T: ...
    @overload
    async def wait_for_event(
        self,
        name: str,
        *,
        type: Any = None,
        timeout: float | timedelta | None = None,
    ) -> Any: ...
    async def wait_for_event(
        self,
        name: str,
        *,
        type: Any = None,  # noqa: A002 - as above
        timeout: float | timedelta | None = None,
    ) -> Any:
        """What the next event of this name says, as `handle.send(name, payload)` sent it.

        Events are kept from when they are sent, in their order; each is given once, to
        who waited first. `type` is a class, or a union or a list of classes: what
        comes as plain JSON is validated by pydantic, whose ValidationError is raised
        here. `timeout` is in seconds or a timedelta; TimeoutError is raised when it is
        over, as by `asyncio.timeout`. Raises RuntimeError outside of a run.
        """
        raise RuntimeError(
            f"{builtins.type(self).__name__} waits for the event {name!r} outside of a run; events"
            " come to runs alone: `await waymark.start()`, and submit it"
        )

    @classmethod
    def visualize(
        cls,
        format: Literal["text", "mermaid", "svg"] = "text",  # noqa: A002 - the word everywhere
    ) -> str:
        """The compiled graph as a tree of text, a Mermaid flowchart or an SVG picture.
        In a notebook, text and SVG show as the picture. Raises ValueError for
        another format, WorkflowCompileError."""
        if format not in hooks.VISUAL_FORMATS:
            choices = " or ".join(repr(choice) for choice in hooks.VISUAL_FORMATS)
            raise ValueError(f"visualize(format={format!r}): the formats are {choices}")
        graph = definition_of(cls).graph
        if hooks.render is None:
            raise NotStartedError("`import waymark` installs what draws graphs; import it first")
        return Visual.drawn(hooks.render, graph, format)

    def _repr_svg_(self) -> str | None:
        return _picture_of(type(self))


def _picture_of(cls: type) -> str | None:
    """What a notebook shows for a class; None where there is no graph to show."""
    if not issubclass(cls, Workflow):
        return None
    try:
        return cls.visualize("svg")
    except WaymarkError:
        return None


def definition_of(cls: type) -> WorkflowDefinition:
    """The definition of exactly this class.

    A subclass of a workflow may override what the graph was compiled from, so
    it counts as undecorated until it is decorated itself. Raises RegistrationError.
    """
    definition = cls.__dict__.get("__waymark__")
    if isinstance(definition, WorkflowDefinition):
        return definition
    raise RegistrationError(
        f"{cls.__module__}:{cls.__qualname__} is no registered workflow; put @workflow above the"
        " class (a subclass of a workflow needs its own)"
    )


W = TypeVar("W", bound=HasRun[..., Any])


class WorkflowDecorator(Protocol):
    """What `workflow(name=...)` returns."""

    def __call__(self, cls: type[W], /) -> type[W]: ...


@overload
def workflow(cls: type[W], /) -> type[W]: ...
@overload
def workflow(*, name: str | None = None, ignore: Sequence[str] = ()) -> WorkflowDecorator: ...
def workflow(
    cls: type[Any] | None = None, /, *, name: str | None = None, ignore: Sequence[str] = ()
) -> Any:
    """Register a workflow class and compile its `run`.

    The name is `module:qualname` unless `name` gives another; `ignore` are codes
    of warnings (`"WM411"`) that are not to be shown for it. Raises
    RegistrationError, DuplicateNameError, and WorkflowCompileError with every
    violation at once; names that have no meaning yet may still get one until
    `start()`.
    """
    frame = inspect.currentframe()
    if cls is not None:
        return _register(cls, name, ignore, frame.f_back if frame else None)

    def decorate(cls: type[Any], /) -> type[Any]:
        inner = inspect.currentframe()
        return _register(cls, name, ignore, inner.f_back if inner else None)

    return decorate


def _register(
    cls: Any, name: str | None, ignore: Sequence[str], frame: FrameType | None
) -> type[Any]:
    try:
        return _registered(cls, name, ignore, frame)
    except RegistrationError as error:
        if hooks.refused is None or frame is None:
            raise
        hooks.refused(error, frame)
        return cast(type[Any], cls)


def _registered(
    cls: object, name: str | None, ignore: Sequence[str], frame: FrameType | None
) -> type[Any]:
    checked = _checked_class(cls)
    if isinstance(ignore, str):
        raise RegistrationError(f"ignore={ignore!r} is one text; write ignore=({ignore!r},)")
    definition = WorkflowDefinition(
        checked,
        registered_name(checked) if name is None else checked_name(name, "workflow"),
        _authored_run(checked),
        defining_namespace(checked, frame),
        tuple(ignore),
    )
    registry.refuse_taken_workflow(definition)
    if hooks.compiler is not None:
        definition.compiled = announced(hooks.compiler(definition, False))
    # Only what compiled is changed or registered.
    setattr(checked, "run", _durable(definition.authored))  # noqa: B010 - the base declares no run
    checked.__waymark__ = definition
    if checked.__init__ is not object.__init__ and checked.__new__ is object.__new__:
        setattr(checked, "__new__", staticmethod(_noting_arguments))  # noqa: B010 - as above
    registry.add_workflow(definition)
    show_classes(_picture_of)
    return checked


def _noting_arguments(cls: type[Workflow], *args: Any, **kwargs: Any) -> Workflow:
    """`__new__` of a workflow that has an `__init__`."""
    made = object.__new__(cls)
    if args or kwargs:
        vars(made)[_MADE_WITH] = True
    return made


def _refuse_state(workflow: object) -> None:
    """A run makes the object anew, so arguments of this one would be forgotten."""
    # Most have no `__init__`; to ask the others for their attributes would make a dict.
    if type(workflow).__init__ is not object.__init__ and _MADE_WITH in vars(workflow):
        name = type(workflow).__qualname__
        raise TypeError(
            f"{name}(...) was made with arguments, and a run makes its {name} anew without any;"
            f" pass them to its run: {name}().run(...)"
        )


def _durable(authored: Callable[..., Any]) -> Callable[..., Any]:
    """What stands in for `run` on the class."""

    @functools.wraps(authored)
    async def run(self: Workflow, *args: Any, **kwargs: Any) -> Any:
        definition = definition_of(type(self))
        _refuse_state(self)
        arguments = definition.arguments.record(args, kwargs)
        options, client = self.__waymark_options__, hooks.client()
        begun = client.begin(definition, arguments, options)
        if begun is None:
            begun = await client.begin_later(definition, arguments, options)
        run_id, ended = begun
        # Awaited here, not in a coroutine of the client's, and nothing is kept that is not
        # needed any more: what waits along with a run costs the garbage collector more than
        # it took to make.
        del self, args, kwargs, arguments, begun
        return client.decode(await ended, run_id, definition)

    setattr(run, AUTHORED, authored)
    return run


def _checked_class(cls: object) -> type[Workflow]:
    if not isinstance(cls, type):
        raise RegistrationError(f"@workflow takes a class, not {cls!r}")
    if not issubclass(cls, Workflow) or cls is Workflow:
        raise RegistrationError(
            f"{cls.__qualname__} is no workflow; write `class {cls.__name__}(Workflow):`"
        )
    required = _required_parameters(cls)
    if required:
        raise RegistrationError(
            f"{cls.__qualname__}.__init__ requires {', '.join(required)}; a run may go on in"
            " another process, which makes the object without arguments. Pass data to `run`"
            " instead, or give the parameters defaults."
        )
    return cls


def _required_parameters(cls: type) -> list[str]:
    try:
        parameters = signature_of(cls).parameters.values()
    except (TypeError, ValueError):
        return []
    return [
        parameter.name
        for parameter in parameters
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]


def _authored_run(cls: type) -> FunctionType:
    """`run` as the author wrote it, on this class or one it inherits from."""
    name = f"{cls.__qualname__}.run"
    found: object = inspect.getattr_static(cls, "run", None)
    if found is None:
        raise RegistrationError(
            f"{cls.__qualname__} has no `run`; write `async def run(self, ...)` in it"
        )
    kind = type(found).__name__
    if kind in ("staticmethod", "classmethod"):
        raise RegistrationError(f"{name} is a {kind}; write `async def run(self, ...)`")
    authored = getattr(found, AUTHORED, found)
    if not isinstance(authored, FunctionType):
        raise RegistrationError(f"{name} is {found!r}; write `async def run(self, ...)`")
    if inspect.isasyncgenfunction(authored):
        raise RegistrationError(f"{name} yields, and a run has one result; return a list")
    if not inspect.iscoroutinefunction(authored):
        raise RegistrationError(f"{name} is not async; write `async def run(self, ...)`")
    _refuse_missing_self(authored, name)
    return authored


def _refuse_missing_self(authored: FunctionType, name: str) -> None:
    first = next(iter(signature_of(authored).parameters.values()), None)
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    if first is None or first.kind not in positional:
        raise RegistrationError(f"{name} takes no `self`; write `async def run(self, ...)`")
