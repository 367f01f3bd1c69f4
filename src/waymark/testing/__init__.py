"""Waymark in a test process: a memory runtime with virtual time."""

from __future__ import annotations

from .loop_runtime import LoopRuntimes

__all__ = ["LoopRuntimes"]
