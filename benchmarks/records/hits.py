"""Logits -> hits: which rows were recognised, and how many of each class. Shape suffixes: N rows, C classes."""

from __future__ import annotations

import numpy as np


def hits(logits_NC: np.ndarray, labels_N: np.ndarray, k: int) -> np.ndarray:
    """Return bool [N]: whether the label is among the `k` highest logits; `k` is cut to the number of classes C.

    Ties count as misses: a row is a hit only if fewer than `k` other classes have a logit at least as high as the
    label's. So constant logits score nothing, and the result does not depend on a sorting order. A row with a NaN
    logit is a miss.

    Raises `ValueError` if shapes do not fit, `k` is below 1 or a label is outside 0..C-1.
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
