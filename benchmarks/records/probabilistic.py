"""How good predicted probabilities are: likelihood, calibration, and ranking of one class against the rest.

Shape suffixes: N rows, C classes, T classes with test rows. Every function takes float64 probabilities [N, C], whose
rows sum to 1, and int64 labels [N], N at least 1, and returns NaN where the rows do not define the number.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np

from benchmarks.records.hits import hits

Side = Literal["left", "right"]

BINS = 15  # Guo et al. 2017, section 5


def softmax(logits_NC: np.ndarray, temperature: float = 1.0) -> np.ndarray | None:
    """Return softmax(z / T), float64 [N, C]; None if a logit is not finite."""
    if not np.isfinite(logits_NC).all():
        return None
    scaled_NC = np.asarray(logits_NC, dtype=np.float64) / temperature
    scaled_NC -= scaled_NC.max(axis=1, keepdims=True)
    np.exp(scaled_NC, out=scaled_NC)
    scaled_NC /= scaled_NC.sum(axis=1, keepdims=True)
    return scaled_NC


def nll(probabilities_NC: np.ndarray, labels_N: np.ndarray) -> float:
    """Return the negative log-likelihood: the mean of -log p_y, in nats.

    scikit-learn's `log_loss` cuts probabilities at 2e-16, which cross-entropy networks reach; here it is 2e-308.
    """
    own_N = probabilities_NC[np.arange(len(labels_N)), labels_N]
    return float(-np.log(np.maximum(own_N, np.finfo(np.float64).tiny)).mean())


def brier(probabilities_NC: np.ndarray, labels_N: np.ndarray) -> float:
    """Return the mean over rows of the sum over classes of (p - [is the label])^2, in [0, 2].

    G. W. Brier, Verification of forecasts expressed in terms of probability, Monthly Weather Review 78 (1950).
    """
    errors_NC = probabilities_NC.copy()
    errors_NC[np.arange(len(labels_N)), labels_N] -= 1
    return float(np.square(errors_NC).sum(axis=1).mean())


def ece(probabilities_NC: np.ndarray, labels_N: np.ndarray) -> float:
    """Return the expected calibration error of the top class: sum_b n_b / N |accuracy(b) - mean confidence(b)|.

    15 bins of equal width, each with its upper bound. Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural
    Networks", ICML 2017, arXiv:1706.04599, equation 3. Rows with two top classes are misses, as in top-1.
    """
    return _gap(probabilities_NC.max(axis=1), hits(probabilities_NC, labels_N, 1))


def reliability(probabilities_NC: np.ndarray, labels_N: np.ndarray) -> tuple[tuple[int, float, int], ...]:
    """Return (rows, their summed confidence, their hits) of each of the bins of `ece`, which this adds up to."""
    confidence_N = probabilities_NC.max(axis=1)
    bins_N = _bins(confidence_N)
    rows, hits_sum = (np.bincount(bins_N, w, BINS) for w in (None, hits(probabilities_NC, labels_N, 1)))
    sums = np.bincount(bins_N, confidence_N, BINS)
    return tuple((int(n), round(float(s), 4), int(h)) for n, s, h in zip(rows, sums, hits_sum, strict=True))


def class_ece(probabilities_NC: np.ndarray, labels_N: np.ndarray) -> float:
    """Return the class-wise calibration error: the mean over classes with test rows of `ece` of one class's p.

    sum_b n_b / N |share of the class(b) - mean p(b)| with all rows in each class's bins. Kull et al., "Beyond
    temperature scaling", NeurIPS 2019, arXiv:1910.12656, section 2, over the classes with test rows.
    """
    return float(np.mean([_gap(probabilities_NC[:, c], labels_N == c) for c in np.unique(labels_N)]))


def _gap(confidence_N: np.ndarray, true_N: np.ndarray) -> float:
    """Return sum_b |sum of truths - sum of confidences in bin b| / N."""
    return float(np.abs(np.bincount(_bins(confidence_N), true_N - confidence_N, BINS)).sum() / len(true_N))


def _bins(confidence_N: np.ndarray) -> np.ndarray:
    """Return the bin of each confidence, int64 [N]."""
    return np.clip(np.ceil(confidence_N * BINS).astype(np.int64) - 1, 0, BINS - 1)


def auroc(probabilities_NC: np.ndarray, labels_N: np.ndarray) -> float:
    """Return the area under the ROC curve of a class against the rest, mean over the classes with test rows.

    It is the share of pairs of a row of the class and another in which the first has the higher p; ties count half.
    """

    def area(all_N: np.ndarray, own_M: np.ndarray) -> float:
        higher = sum((_below(all_N, own_M, side) - _below(own_M, own_M, side)).sum() / 2 for side in SIDES)
        return float(higher) / (len(own_M) * (len(all_N) - len(own_M)))

    return _mean_over_classes(area, probabilities_NC, labels_N)


def average_precision(probabilities_NC: np.ndarray, labels_N: np.ndarray) -> float:
    """Return the average precision of a class against the rest, mean over the classes with test rows.

    It is the mean, over the rows of the class, of the class's share of all rows with at least that row's p.
    """

    def mean_precision(all_N: np.ndarray, own_M: np.ndarray) -> float:
        own, rows = (len(sorted_) - _below(sorted_, own_M, "left") for sorted_ in (own_M, all_N))
        return float((own / rows).mean())

    return _mean_over_classes(mean_precision, probabilities_NC, labels_N)


SIDES: tuple[Side, Side] = ("left", "right")


def _below(sorted_N: np.ndarray, values_M: np.ndarray, side: Side) -> np.ndarray:
    """Return how many sorted values are below each value ("left"), or below it and equal to it ("right"), [M]."""
    return np.searchsorted(sorted_N, values_M, side)


def _mean_over_classes(
    measure: Callable[[np.ndarray, np.ndarray], float], probabilities_NC: np.ndarray, labels_N: np.ndarray
) -> float:
    """Return the mean over classes with test rows of `measure(p of all rows, p of the class's M rows)`, both sorted.

    NaN if there is one class only.
    """
    tested = np.unique(labels_N)
    columns = [(probabilities_NC[:, c], labels_N == c) for c in tested]
    found = [measure(np.sort(all_N), np.sort(all_N[own_N])) for all_N, own_N in columns] if len(tested) > 1 else []
    return float(np.mean(found)) if found else math.nan
