"""Counts, seeds, lists of names and durations, formatted for sentences."""

from __future__ import annotations

from collections.abc import Sequence


def counted(number: int | str, what: str) -> str:
    """Return "1 seed" or "3 seeds"."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def first_seeds(count: int) -> str:
    """Return "seed 0", or "seeds 0 to 4" of five."""
    return "seed 0" if count == 1 else f"seeds 0 to {count - 1}"


def some(names: Sequence[str], most: int) -> str:
    """Return the first names, and how many more there are: "a, b and 3 more"."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def duration(seconds: float) -> str:
    """Return seconds in a readable unit: "45 s", "12 min", "2.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
