"""For every class, the strategy that reached most: the short answer to "which helps which classes"."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from benchmarks.leaderboard.markdown import NOTHING, escape, number, table
from benchmarks.leaderboard.sections import BASELINE, Entry
from benchmarks.records.record import StageResult

FEWEST = 3  # with fewer strategies the table of all of them is as short


def best_of_class(result: StageResult, entries: Sequence[Entry], top1_EC: np.ndarray) -> list[str]:
    """Return a table with the best strategy of every class that has test rows; nothing where there is little to say.

    `top1_EC`: top-1 of each entry and class, NaN without test rows.
    """
    if len(entries) < FEWEST:
        return []
    base = next((e for e, entry in enumerate(entries) if entry.strategy == BASELINE), None)
    rows = []
    for c, name in enumerate(result.classes):
        if not result.test_n[c]:
            continue
        best = float(np.max(top1_EC[:, c]))
        reached_E = np.isclose(top1_EC[:, c], best, rtol=0, atol=1e-9)
        holders = [entry.strategy for entry, reached in zip(entries, reached_E, strict=True) if reached]
        plain = math.nan if base is None else float(top1_EC[base, c])
        told = NOTHING if best == 0 else _named(holders)
        rows.append([escape(name), f"{result.train_n[c]:,}", f"{result.test_n[c]:,}", number(plain, 2), told]
                    + [number(best, 2), NOTHING if base is None else number(best - plain, 2, signed=True)])  # fmt: skip
    if not rows:
        return []
    headers = ["class", "training rows", "test rows", BASELINE, "best", "its top-1", "gain"]
    note = (
        f"The best of {len(entries)} is partly the luckiest, the more so the fewer test rows a class has; "
        "a dash where no strategy recognised one row."
    )
    return [table(headers, [list(column) for column in zip(*rows, strict=True)]), note]


def _named(holders: Sequence[str]) -> str:
    """Return who holds the best, the first by name and how many more; plain training where it is among them."""
    first = BASELINE if BASELINE in holders else min(holders)
    return escape(first) + (f" and {len(holders) - 1} more" if len(holders) > 1 else "")
