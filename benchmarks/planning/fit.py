"""Settings that a suite may leave to the data: how many head classes, and how many seeds."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.data.base import Loaded
from benchmarks.data.split import head_by_rows
from benchmarks.suites.suite import Suite

MOST_SEEDS, SOME_SEEDS = 5, 3
# Most training rows for `MOST_SEEDS`, `SOME_SEEDS`: about ten minutes on two cores for the strategies of `folder`.
FROZEN_ROWS, TRAINED_ROWS = (20_000, 50_000), (500, 1500)


def fit_to(loaded: Loaded, suite: Suite) -> Suite:
    """Return the suite with its number of seeds, and of head classes where it has two stages; its name stays."""
    changes: dict[str, Any] = {}
    if not suite.seeds:
        changes["seeds"] = seeds_for(int(loaded.train_N.sum()), frozen=suite.recipe.frozen)
    if not suite.head_classes and suite.protocol == "two-stage":
        changes["head_classes"] = head_classes(loaded)
    return suite.model_copy(update=changes) if changes else suite


def seeds_for(rows: int, *, frozen: bool) -> int:
    """Return the number of seeds for `rows` training rows: with few rows, each seed says little and costs little."""
    few, some = FROZEN_ROWS if frozen else TRAINED_ROWS
    return MOST_SEEDS if rows <= few else SOME_SEEDS if rows <= some else 1


def head_classes(loaded: Loaded) -> int:
    """Return the fewest classes that hold half of the training rows, at least 2 and leaving at least 2 others."""
    counts_C = np.bincount(loaded.labels_N[loaded.train_N], minlength=len(loaded.class_names))
    counts_C = counts_C[counts_C > 0]
    return max(2, min(head_by_rows(counts_C.tolist()), len(counts_C) - 2))
