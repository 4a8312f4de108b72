"""How good predicted probabilities are: likelihood, calibration, and ranking of one class against the rest.

Shape suffixes: N rows, C classes, T classes with test rows. Every function takes float64 probabilities [N, C], whose
rows sum to 1, and int64 labels [N], N at least 1, and returns NaN where the rows do not define the number.
"""

from __future__ import annotations

import math

import numpy as np

from benchmarks.records.hits import hits

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
    from sklearn.metrics import brier_score_loss

    classes = range(probabilities_NC.shape[1])
    return float(brier_score_loss(labels_N, probabilities_NC, labels=classes, scale_by_half=False))


def ece(probabilities_NC: np.ndarray, labels_N: np.ndarray) -> float:
    """Return the expected calibration error of the top class: sum_b n_b / N |accuracy(b) - mean confidence(b)|.

    15 bins of equal width, each with its upper bound. Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural
    Networks", ICML 2017, arXiv:1706.04599, equation 3. Rows with two top classes are misses, as in top-1.
    """
    return _gap(probabilities_NC.max(axis=1), hits(probabilities_NC, labels_N, 1))


def reliability(probabilities_NC: np.ndarray, labels_N: np.ndarray) -> tuple[tuple[int, float, int], ...]:
    """Return (rows, their summed confidence, their hits) of each bin of `ece`, from which it can be computed."""
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
    """Return the area under the ROC curve of a class against the rest, mean over the classes with test rows."""
    from sklearn.metrics import roc_auc_score

    truth_NT, own_NT = _one_against_rest(probabilities_NC, labels_N)
    return float(roc_auc_score(truth_NT, own_NT, average="macro")) if truth_NT.shape[1] > 1 else math.nan


def average_precision(probabilities_NC: np.ndarray, labels_N: np.ndarray) -> float:
    """Return the average precision of a class against the rest, mean over the classes with test rows."""
    from sklearn.metrics import average_precision_score

    truth_NT, own_NT = _one_against_rest(probabilities_NC, labels_N)
    return float(average_precision_score(truth_NT, own_NT, average="macro")) if truth_NT.shape[1] > 1 else math.nan


def _one_against_rest(probabilities_NC: np.ndarray, labels_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return whether each row is of each class with test rows, int64 [N, T], and its probability for it, [N, T]."""
    tested_T = np.unique(labels_N)
    return (labels_N[:, None] == tested_T).astype(np.int64), probabilities_NC[:, tested_T]
