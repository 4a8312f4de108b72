"""Integer seeds from parts, such as (seed, stage, "network")."""

from __future__ import annotations

import hashlib


def seed_for(*parts: int | str) -> int:
    """Return a 63-bit seed that depends on every part, in order."""
    digest = hashlib.sha256("\x1f".join(str(p) for p in parts).encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1
