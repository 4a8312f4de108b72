"""Numbers of things and lists of names, as sentences have them."""

from __future__ import annotations

from collections.abc import Sequence


def counted(number: int, what: str) -> str:
    """Return "1 seed" or "3 seeds"."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def some(names: Sequence[str], most: int) -> str:
    """Return the first names, and how many more there are: "a, b and 3 more"."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
