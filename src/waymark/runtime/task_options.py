"""What a call was given beside its arguments, as JSON in a row of `tasks`."""

from __future__ import annotations

import json
from dataclasses import asdict

from ..engine.outcomes import StartAttempt
from ..graph.policies import CallPolicy, RetryPolicy, call_policy
from .executor import Attempt


def options_of(command: Attempt) -> bytes:
    """Empty for a call that was given nothing."""
    policy = command.policy if isinstance(command, StartAttempt) else None
    if policy is None:
        return b""
    retry = None if policy.retry is None else asdict(policy.retry)
    limits = {"timeout": policy.timeout_seconds, "total": policy.total_seconds}
    return json.dumps({"retry": retry, **limits}).encode()


def policy_of(options: bytes) -> CallPolicy | None:
    """Raises ValueError, TypeError and KeyError for a row that was edited."""
    if not options:
        return None
    given = json.loads(options)
    retry = None if given["retry"] is None else RetryPolicy(**given["retry"])
    return call_policy(retry, given["timeout"], given["total"])
