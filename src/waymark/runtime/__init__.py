"""The part that waits: it runs what the engine decided, and makes it durable."""

from __future__ import annotations

from .runtime import Runtime

__all__ = ["Runtime"]
