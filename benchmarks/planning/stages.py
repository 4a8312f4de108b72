"""The protocol: its stages as a chain, what a strategy may know of each, and how each is scored."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from benchmarks.data.base import Loaded
from benchmarks.data.split import StageData, stages
from benchmarks.records.hits import hits
from benchmarks.suites.suite import Suite
from benchmarks.support.keys import content_key
from strategies.base import Facts


@dataclasses.dataclass(frozen=True, eq=False)
class Stage:
    """One stage: its rows, its facts, and `labels_N`: class index within the stage of every global row (-1: other)."""

    data: StageData
    facts: Facts
    labels_N: np.ndarray

    @property
    def names(self) -> tuple[str, ...]:
        """The stage's class names, most training rows first."""
        return self.facts.class_names

    def counts(self, rows: np.ndarray) -> np.ndarray:
        """Return how many of `rows` each class has, int64 [C]."""
        return np.bincount(self.labels_N[rows], minlength=self.facts.num_classes)


def make_stages(loaded: Loaded, suite: Suite, seed: int = 0) -> tuple[Stage, ...]:
    """Return the suite's stages on this data, in the order in which they are trained.

    `seed`: that of the cells to train, which selects the fold they hold out if the suite has `folds`.
    """
    found = stages(loaded, suite.protocol, suite.head_classes, suite.validation, folds=suite.folds, fold=seed)
    return tuple(_stage(loaded, data) for data in found)


def _stage(loaded: Loaded, data: StageData) -> Stage:
    within = np.full(len(loaded.class_names), -1, dtype=np.int64)
    within[list(data.classes)] = np.arange(len(data.classes))
    labels_N = within[loaded.labels_N]
    counts_C = np.bincount(labels_N[data.train_rows], minlength=len(data.classes))
    names = tuple(loaded.class_names[c] for c in data.classes)
    return Stage(data, Facts(tuple(int(c) for c in counts_C), names, data.stage), labels_N)


def rows_key(loaded: Loaded, rows: Sequence[int] | np.ndarray) -> str:
    """Return a hash of the rows' ids, in order: results can be paired only if their hashes are equal."""
    return content_key([loaded.ids[row] for row in rows])


def accuracy_C(logits_NC: np.ndarray, labels_N: np.ndarray, classes: int) -> tuple[float, ...]:
    """Return top-1 accuracy per class in [0, 1], NaN for a class without rows."""
    hit_N = hits(logits_NC, labels_N, 1)
    count_C = np.bincount(labels_N, minlength=classes)
    hits_C = np.bincount(labels_N, weights=hit_N, minlength=classes)
    with np.errstate(invalid="ignore"):
        return tuple(float(v) for v in np.where(count_C > 0, hits_C / count_C, np.nan))
