"""Steps that upgrade the content of a record from one schema to the next.

Each step is a pure function of the file's JSON content without the checksum. A step that changes what the numbers
mean sets `extra["measured_schema"]` to the schema they were measured in, so that no table mixes the two.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_GROUPS = {
    "setup": (
        "protocol", "dataset", "fingerprint", "image_size", "recipe", "unseen_classes", "unseen_rows",
    ),
    "environment": ("layout", "dtype", "threads", "device", "versions", "hardware"),
    "cost": ("seconds_alone", "seconds_marginal", "peak_memory_bytes"),
}  # fmt: skip


def grouped(content: dict[str, Any]) -> dict[str, Any]:
    """Schema 1 -> 2: the fields of setup, environment and cost, which schema 1 had side by side, are grouped."""
    groups = {group: {name: content[name] for name in fields if name in content} for group, fields in _GROUPS.items()}
    moved = {name for fields in _GROUPS.values() for name in fields}
    rest = {name: value for name, value in content.items() if name not in moved}
    return {**groups, **rest, "schema": 2}


UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: grouped}
