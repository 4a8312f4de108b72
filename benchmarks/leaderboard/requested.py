"""Columns on request (`leaderboard --columns`): metrics in the tables of stages, q-values next to differences."""

from __future__ import annotations

from collections.abc import Sequence

from backbones.errors import nearest
from benchmarks.leaderboard.columns import Column, of_metric
from benchmarks.leaderboard.sections import Entry
from benchmarks.records import metrics
from benchmarks.support.errors import UserError

Q = "q"  # Benjamini-Hochberg q-value of a difference


def requested(text: str) -> tuple[str, ...]:
    """Return the names in "macro-f1,nll,q", each once. UserError with the nearest name for one that does not exist."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    known = (*metrics.names(), Q)
    for name in names:
        if name not in known:
            raise UserError(f"There is no column {name!r}{nearest(name, known)}; there are {', '.join(known)}.")
    return names


def stage_metrics(names: Sequence[str], stage: int) -> list[Column[Entry]]:
    """Return the requested metrics of a stage (a position) as columns, means over seeds."""
    return [of_metric(name, stage) for name in names if name != Q]
