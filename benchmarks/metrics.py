"""Logits -> hits -> numbers: top-k per class, overall, class mean, many/medium/few. NumPy only.

Shape suffixes: N rows, C classes. An accuracy that has no rows behind it is NaN, never 0.
"""

from __future__ import annotations

import dataclasses

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
    hits_C, test_C, train_C = np.asarray(hits_C), np.asarray(test_C), np.asarray(train_C)
    seen_C = test_C > 0
    accuracy_C = np.divide(hits_C, test_C, out=np.full(len(test_C), np.nan), where=seen_C)

    def mean(group_C: np.ndarray) -> float:
        chosen = accuracy_C[group_C & seen_C]
        return float(chosen.mean()) if chosen.size else float("nan")

    worst = int(np.nanargmin(accuracy_C)) if seen_C.any() else -1
    return Summary(
        overall=float(hits_C.sum() / test_C.sum()) if seen_C.any() else float("nan"),
        class_mean=mean(seen_C),
        many=mean(train_C > MANY),
        medium=mean((train_C >= FEW) & (train_C <= MANY)),
        few=mean(train_C < FEW),
        worst=float(accuracy_C[worst]) if worst >= 0 else float("nan"),
        worst_class=worst,
        zeros=int((seen_C & (hits_C == 0)).sum()),
    )
