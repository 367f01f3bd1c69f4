"""What users write: actions, workflows, dependencies. It registers, and nothing more."""

from __future__ import annotations

from .action import Action, action
from .context import ActionContext, context
from .dependencies import INJECTED, Depends
from .handle import Client, RunHandle, RunStatus, handle
from .injection import InjectionPlan
from .policies import RetryPolicy
from .pure import pure
from .registry import Registry
from .workflow import Workflow, WorkflowDefinition, workflow

__all__ = [
    "INJECTED",
    "Action",
    "ActionContext",
    "Client",
    "Depends",
    "InjectionPlan",
    "Registry",
    "RetryPolicy",
    "RunHandle",
    "RunStatus",
    "Workflow",
    "WorkflowDefinition",
    "action",
    "context",
    "handle",
    "pure",
    "workflow",
]
