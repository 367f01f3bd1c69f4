"""The identity of a graph: a hash of what it does, not of where it was written."""

from __future__ import annotations

import hashlib

from .codec import canonical
from .model import Graph

DIGEST_BYTES = 16


def fingerprint(graph: Graph) -> bytes:
    """16 bytes that are equal for graphs equal in all but their locations."""
    return hashlib.blake2b(canonical(graph).encode("ascii"), digest_size=DIGEST_BYTES).digest()
