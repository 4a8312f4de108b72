"""Logits -> hits: which rows were recognised, and how many of each class. Shape suffixes: N rows, C classes.

Two stages never score head against tail, one stage over all classes does. To compare the two like with like, a record
of the joint protocol also keeps hits where only the classes of a row's own part compete, one bit per test row as in
`StageResult.top1_bits`: `extra[AMONG_OWN_PART]["all"]`.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from benchmarks.records.bits import unpack_bits
from benchmarks.records.record import Record

AMONG_OWN_PART = "among_own_part"
Part = Literal["head", "tail"]


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


def among_own_part(logits_NC: np.ndarray, labels_N: np.ndarray, head_classes: int) -> np.ndarray:
    """Return bool [N]: whether the label has the highest logit of its part's classes.

    The head is the first `head_classes` classes, the tail all others.
    """
    head_N, head_C = labels_N < head_classes, np.arange(logits_NC.shape[1]) < head_classes
    return hits(np.where(head_N[:, None] == head_C, logits_NC, -np.inf), labels_N, 1)


def own_hits(record: Record, part: Part) -> np.ndarray:
    """Return the hits of a joint record's part among its own classes, bool, class by class.

    KeyError for a record that does not have them.
    """
    return _of_part(record, record.extra[AMONG_OWN_PART]["all"], part)


def all_hits(record: Record, part: Part) -> np.ndarray:
    """Return the hits of a joint record's part among all classes, bool, class by class."""
    return _of_part(record, record.stages[0].top1_bits, part)


def _of_part(record: Record, bits: str, part: Part) -> np.ndarray:
    """Return the part's rows: bits are class by class, the head's first."""
    (stage,), head_classes = record.stages, int(record.setup.recipe["head_classes"])
    hits_N, head = unpack_bits(bits, stage.rows), sum(stage.test_n[:head_classes])
    return hits_N[:head] if part == "head" else hits_N[head:]
