"""For every class, the strategy with the highest top-1: the short answer to "which helps which classes"."""

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
    Column("best", lambda row: _named(row.holders) if row.holders else NOTHING),
    Column("its top-1", lambda row: number(row.top1, 2)),
    Column("gain", lambda row: number(row.top1 - row.plain, 2, signed=True)),
)


def best_of_class(result: StageResult, entries: Sequence[Entry], top1_EC: np.ndarray, stage: int) -> list[str]:
    """Return a table with the best strategy of every class that has test rows; nothing for few strategies or no rows.

    The best is chosen by hits on the validation rows, and what is shown are test rows, so that luck on the test rows
    is not counted twice. `top1_EC`: top-1 of each entry and class on the test rows, NaN without any; `stage`: position.
    """
    if len(entries) < FEWEST:
        return []
    base = next((e for e, entry in enumerate(entries) if entry.strategy == BASELINE), None)
    hits_EC = np.array([np.mean([r.stages[stage].validation_top1_hits for r in e.records], axis=0) for e in entries])
    rows = []
    for c, name in enumerate(result.classes):
        if result.test_n[c]:
            chosen_E = np.isclose(hits_EC[:, c], hits_EC[:, c].max(), rtol=0, atol=1e-9) & bool(result.validation_n[c])
            holders = tuple(entry.strategy for entry, chosen in zip(entries, chosen_E, strict=True) if chosen)
            top1 = float(top1_EC[chosen_E, c].mean()) if holders else math.nan
            plain = math.nan if base is None else float(top1_EC[base, c])
            rows.append(BestOfClass(name, result.train_n[c], result.test_n[c], plain, holders, top1))
    if not rows:
        return []
    note = (
        "*Best*: most hits on the class's validation rows, mean over seeds; its top-1 is on the test rows, the mean "
        "where several have as many hits. A dash where a class has no validation rows. Fewer than 5 test rows are no "
        "evidence."
    )
    return [render(COLUMNS, rows), note]


def _named(holders: Sequence[str]) -> str:
    """Return the first of the best strategies by name (plain training if it is one) and how many more there are."""
    first = BASELINE if BASELINE in holders else min(holders)
    return escape(first) + (f" and {len(holders) - 1} more" if len(holders) > 1 else "")
