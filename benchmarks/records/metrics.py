"""Logits -> hits -> numbers: top-k per class, overall, class mean, many/medium/few. NumPy only.

Shape suffixes: N rows, C classes. An accuracy that has no rows behind it is NaN, never 0.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

MANY, FEW = 100, 20  # more than 100 / 20..100 / fewer than 20 training rows: Liu et al., Open Long-Tailed Recognition


def hits(logits_NC: np.ndarray, labels_N: np.ndarray, k: int) -> np.ndarray:
    """Return bool [N]: whether the label is among the `k` highest logits; `k` is cut to the number of classes C.

    Ties count against: a row is a hit only where fewer than `k` other classes have a logit as high as the label's. So
    constant logits earn nothing, and the answer depends on no sorting order. A row with a NaN logit is a miss.

    Raises `ValueError` where shapes do not fit, `k` is below 1 or a label is outside 0..C-1.
    """
    logits_NC, labels_N = np.asarray(logits_NC), np.asarray(labels_N)
    if logits_NC.ndim != 2 or labels_N.shape != logits_NC.shape[:1] or k < 1:
        raise ValueError(f"hits needs logits [N, C], labels [N], k >= 1; got {logits_NC.shape}, {labels_N.shape}, {k}")
    rows, classes = logits_NC.shape
    if rows and not (labels_N.min() >= 0 and labels_N.max() < classes):
        raise ValueError(f"labels must be in 0..{classes - 1}")
    own_N1 = logits_NC[np.arange(rows), labels_N][:, None]
    rivals_N = (logits_NC >= own_N1).sum(axis=1) - 1
    miss_N = np.isnan(logits_NC).any(axis=1)
    return np.asarray((rivals_N < min(k, classes)) & ~miss_N)


def per_class(hits_N: np.ndarray, labels_N: np.ndarray, classes: int) -> tuple[int, ...]:
    """Return how many of each class's rows are hits, C plain integers; with all hits true: the rows per class."""
    counts_C = np.bincount(np.asarray(labels_N)[np.asarray(hits_N, dtype=bool)], minlength=classes)
    return tuple(counts_C.tolist())


@dataclasses.dataclass(frozen=True)
class Summary:
    """One stage's accuracies in [0, 1]; NaN where no class with test rows falls into a group.

    `class_mean`: mean over classes with test rows, each counting once. `many`, `medium`, `few`: class means over the
    classes with more than 100, 20 to 100, fewer than 20 training rows. `worst_class`: index into C of the lowest
    accuracy (the earliest, where several are lowest), -1 without test rows. `zeros`: classes with test rows and no hit.
    """

    overall: float
    class_mean: float
    many: float
    medium: float
    few: float
    worst: float
    worst_class: int
    zeros: int


def summarise(hits_C: np.ndarray, test_C: np.ndarray, train_C: np.ndarray) -> Summary:
    """Return the summary of hits, test rows and training rows per class, each [C]."""
    tested = np.flatnonzero(np.asarray(test_C) > 0)  # T classes with test rows
    if not tested.size:
        return Summary(*(math.nan,) * 6, worst_class=-1, zeros=0)
    hits_T, test_T, train_T = (np.asarray(values)[tested] for values in (hits_C, test_C, train_C))
    accuracy_T = hits_T / test_T

    def mean(chosen: np.ndarray) -> float:
        return float(chosen.sum() / chosen.size) if chosen.size else math.nan

    worst = int(accuracy_T.argmin())
    return Summary(
        overall=float(hits_T.sum() / test_T.sum()),
        class_mean=mean(accuracy_T),
        many=mean(accuracy_T[train_T > MANY]),
        medium=mean(accuracy_T[(train_T >= FEW) & (train_T <= MANY)]),
        few=mean(accuracy_T[train_T < FEW]),
        worst=float(accuracy_T[worst]),
        worst_class=int(tested[worst]),
        zeros=int((hits_T == 0).sum()),
    )
