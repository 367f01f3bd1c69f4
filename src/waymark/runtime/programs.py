"""Graphs that this process can execute, and why it cannot execute others.

A graph comes from a workflow registered here, or from the database: a run finishes
on the graph it began on, whatever was deployed since. A graph that cannot be served
is remembered with its reason until something new is registered.
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import cast
from uuid import UUID

from ..authoring.registry import registry
from ..authoring.workflow import WorkflowDefinition
from ..engine.links import LinkedAction, LinkedWorkflow, Links
from ..engine.program import Program, load_program
from ..engine.session import Session
from ..errors import GraphError, UnresolvedActionError, ValueDecodeError, WorkflowCompileError
from ..graph.codec import from_document
from ..graph.fingerprint import fingerprint
from ..graph.operations import STDLIB_MODULES
from ..graph.validation import validate
from ..store.protocol import Store
from .fitting import misfit
from .live_run import RunSession

log = logging.getLogger("waymark.programs")


def allowed_modules() -> Mapping[str, ModuleType]:
    """The standard library modules that pure code may name."""
    return {name: importlib.import_module(name) for name in STDLIB_MODULES}


def _links(modules: Mapping[str, ModuleType]) -> Links:
    # pyright takes no cached_property for the property of a protocol; mypy does.
    actions = cast("Callable[[str], LinkedAction | None]", registry.action)
    workflows = cast("Callable[[str], LinkedWorkflow | None]", registry.workflow)
    return Links(actions, workflows, registry.types, modules, registry.pure)


class Programs:
    """Loaded graphs by content hash."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._links = _links(allowed_modules())
        self._loaded: dict[bytes, Program] = {}
        self._linked: dict[WorkflowDefinition, Program] = {}
        self._refused: dict[bytes, str] = {}
        self._revision = registry.revision

    @property
    def served(self) -> list[bytes]:
        """Hashes of the graphs whose runs this process may claim."""
        return list(self._loaded)

    def find(self, definition: WorkflowDefinition) -> Program | None:
        """The program of a workflow used before, if nothing new was registered."""
        if self._revision != registry.revision:
            self._refresh()
        return self._linked.get(definition)

    async def ensure(self, definition: WorkflowDefinition) -> Program:
        """The program of a registered workflow, its graph stored. Raises
        WorkflowCompileError, UnresolvedActionError, StoreUnavailable."""
        program = self.find(definition)
        if program is None:
            definition.link()
            program = load_program(definition.graph, definition.hash, self._links)
            await self._store.put_graph(definition.hash, definition.name, definition.document)
            self._loaded[definition.hash] = program
            self._linked[definition] = program
        return program

    async def load(self, hash: bytes) -> str | None:
        """Make a graph of the database servable. Returns None, or the reason why
        this process cannot serve it."""
        if self._revision != registry.revision:
            self._refresh()
        if hash in self._loaded:
            return None
        if hash in self._refused:
            return self._refused[hash]
        document = await self._store.get_graph(hash)
        if document is None:
            return await self._store_lost(hash)
        reason = self._load(hash, document)
        if reason is not None:
            self._refused[hash] = reason
        return reason

    async def _store_lost(self, hash: bytes) -> str | None:
        """A database may lose a graph, and get a run of it that was under way. Who has the
        workflow in its code stores the graph again; None when that is us."""
        for definition in registry.workflows():
            try:
                ours = definition.hash == hash
            except WorkflowCompileError:
                continue
            if ours:
                self._linked.pop(definition, None)
                await self.ensure(definition)
                return None
        return f"its graph {hash.hex()} is not in the database"

    async def store_again(self) -> None:
        """After a loss, since the database may have lost the graphs of what is submitted
        here. Raises StoreUnavailable."""
        for definition in list(self._linked):
            await self._store.put_graph(definition.hash, definition.name, definition.document)

    def session(self, program: Program, run_id: UUID) -> RunSession:
        """A fresh session of the engine."""
        return Session(program, run_id)

    def loaded(self, hash: bytes) -> Program:
        """A program that `served` names."""
        return self._loaded[hash]

    def _load(self, hash: bytes, document: str) -> str | None:
        try:
            graph = from_document(document)
            validate(graph)
            if fingerprint(graph) != hash:
                raise GraphError("its content is not what its hash says; the row was edited")
            if graph.lowest > sys.version_info[:2]:
                needed = ".".join(map(str, graph.lowest))
                return f"its graph needs Python {needed} or newer, this is {sys.version.split()[0]}"
            if registry.workflow(graph.workflow) is None:
                return (
                    f"workflow {graph.workflow} is registered by no imported module; import the"
                    " module that defines it before waymark.start()"
                )
            program = load_program(graph, hash, self._links)
            reason = misfit(graph, registry.action, registry.workflow)
            if reason is not None:
                return reason
            self._loaded[hash] = program
        except (UnresolvedActionError, ValueDecodeError) as error:
            return str(error)
        except Exception as error:  # noqa: BLE001  # whatever was written into the row
            log.error("graph %s is refused: %s", hash.hex(), error)
            what = error if isinstance(error, GraphError) else f"{type(error).__name__}: {error}"
            return f"its graph is refused: {what}"
        return None

    def _refresh(self) -> None:
        """Something was registered: names may mean something else, and what was
        missing may be there. Runs in memory keep the program they have."""
        self._revision = registry.revision
        self._links = _links(self._links.modules)
        self._refused.clear()
        self._linked.clear()
