"""For every class, the strategy that reached most: the short answer to "which helps which classes"."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from benchmarks.leaderboard.columns import Column, render
from benchmarks.leaderboard.markdown import NOTHING, escape, number
from benchmarks.leaderboard.sections import BASELINE, Entry
from benchmarks.records.record import StageResult

FEWEST = 3  # with fewer strategies the table of all of them is short enough


@dataclasses.dataclass(frozen=True)
class BestOfClass:
    """The best strategies of one class and their top-1; `plain`: that of plain training, NaN if it did not run."""

    name: str
    train: int
    test: int
    plain: float
    holders: tuple[str, ...]
    top1: float


COLUMNS: tuple[Column[BestOfClass], ...] = (
    Column("class", lambda row: row.name, escape, left=True),
    Column("training rows", lambda row: f"{row.train:,}"),
    Column("test rows", lambda row: f"{row.test:,}"),
    Column(BASELINE, lambda row: number(row.plain, 2)),
    Column("best", lambda row: _named(row.holders) if row.top1 else NOTHING),
    Column("its top-1", lambda row: number(row.top1, 2)),
    Column("gain", lambda row: number(row.top1 - row.plain, 2, signed=True)),
)


def best_of_class(result: StageResult, entries: Sequence[Entry], top1_EC: np.ndarray) -> list[str]:
    """Return a table with the best strategy of every class that has test rows; nothing for few strategies or no rows.

    `top1_EC`: top-1 of each entry and class, NaN without test rows.
    """
    if len(entries) < FEWEST:
        return []
    base = next((e for e, entry in enumerate(entries) if entry.strategy == BASELINE), None)
    rows = []
    for c, name in enumerate(result.classes):
        if result.test_n[c]:
            top1 = float(np.max(top1_EC[:, c]))
            reached_E = np.isclose(top1_EC[:, c], top1, rtol=0, atol=1e-9)
            holders = tuple(entry.strategy for entry, reached in zip(entries, reached_E, strict=True) if reached)
            plain = math.nan if base is None else float(top1_EC[base, c])
            rows.append(BestOfClass(name, result.train_n[c], result.test_n[c], plain, holders, top1))
    if not rows:
        return []
    note = (
        f"The best of {len(entries)} is partly the luckiest, the more so the fewer test rows a class has; "
        "a dash where no strategy recognised one row."
    )
    return [render(COLUMNS, rows), note]


def _named(holders: Sequence[str]) -> str:
    """Return the first of the best strategies by name (plain training if it is one) and how many more there are."""
    first = BASELINE if BASELINE in holders else min(holders)
    return escape(first) + (f" and {len(holders) - 1} more" if len(holders) > 1 else "")
