"""What a recommendation maximises, and paired differences of it, on validation rows.

Hits of few rows are coarse: where they cannot tell strategies apart, *graded* accuracy decides, 1 - Brier score / 2 of
calibrated probabilities, which is the accuracy itself where every prediction is certain, and varies less.

Each seed holds out another fold, so the rows of several seeds are pooled, each predicted by a network that has not seen
it. Class mean and top-1 have the closed-form intervals of `records/stats.py`; worst class and macro-F1 are not means
over rows, so rows are resampled within each class (stratified bootstrap: Efron, Tibshirani, An Introduction to the
Bootstrap, 1993, section 8).

Shape suffixes: N validation rows of one seed, M those of several, in order of their class, C classes, B
bootstrap samples.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from benchmarks.records import stats
from benchmarks.records.stats import Difference

NAMES = {
    "class-mean": "class mean",
    "worst-class": "accuracy of the worst class",
    "macro-f1": "macro-F1",
    "top-1": "top-1 accuracy",
}
SAMPLES = 400
LEAST_ROWS = 5  # of a class that can be the worst one, where any class has as many


@dataclasses.dataclass(frozen=True, eq=False)
class Predicted:
    """Predicted classes of validation rows by seed, int64 [N] each (-1: no prediction).

    `labels_N`: in ascending order; every seed has as many rows of each class. `graded_by_seed`: 1 - Brier score / 2 of
    each row's probabilities after temperature scaling, in [0, 1], float64 [N] each.
    """

    labels_N: np.ndarray
    by_seed: Mapping[int, np.ndarray]
    graded_by_seed: Mapping[int, np.ndarray]

    def labels(self, seeds: Sequence[int]) -> np.ndarray:
        """Return the labels of the rows of some seeds, int64 [M]."""
        return np.repeat(self.labels_N, len(seeds))

    def of(self, seeds: Sequence[int]) -> np.ndarray:
        """Return what was predicted for them, int64 [M]; rows of one class are in the same order for all strategies."""
        return np.stack([self.by_seed[seed] for seed in seeds], axis=1).reshape(-1)


def value(goal: str, of: Predicted) -> float:
    """Return the goal in [0, 1] over all seeds; NaN without rows."""
    seeds = sorted(of.by_seed)
    if not len(of.labels_N):
        return float("nan")
    return float(
        _VALUES[goal](of.labels(seeds), of.of(seeds), np.ones((1, len(seeds) * len(of.labels_N)), np.float32))[0]
    )


def graded(goal: str, of: Predicted) -> float:
    """Return graded accuracy in [0, 1] over all seeds, averaged as the goal averages; NaN without rows.

    For macro-F1, which is no such average, it is the mean over classes.
    """
    if not len(of.labels_N):
        return float("nan")
    graded_N = np.mean([of.graded_by_seed[seed] for seed in sorted(of.by_seed)], axis=0)
    if goal == "top-1":
        return float(graded_N.mean())
    sums_C, sizes_C = np.bincount(of.labels_N, graded_N), np.bincount(of.labels_N)
    by_class = sums_C[sizes_C > 0] / sizes_C[sizes_C > 0]
    return float(by_class[_can_be_worst(sizes_C[sizes_C > 0])].min() if goal == "worst-class" else by_class.mean())


def paired(goal: str, ours: Predicted, theirs: Predicted, below: int | None = None) -> Difference:
    """Return ours minus theirs over the seeds that both have, paired row by row; `below`: only classes below this one.

    Raises ValueError without a common seed or without rows.
    """
    seeds = sorted(set(ours.by_seed) & set(theirs.by_seed))
    if not seeds or not len(ours.labels_N):
        raise ValueError("a paired comparison needs a common seed, and rows")
    labels_M = ours.labels(seeds)
    keep_M = labels_M < (labels_M.max() + 1 if below is None else below)
    labels_M, ours_M, theirs_M = labels_M[keep_M], ours.of(seeds)[keep_M], theirs.of(seeds)[keep_M]
    if goal in ("class-mean", "top-1"):
        d_1M = ((ours_M == labels_M).astype(np.int8) - (theirs_M == labels_M).astype(np.int8))[None]
        sizes = [n for n in np.bincount(labels_M).tolist() if n]
        return stats.compare(d_1M, sizes if goal == "class-mean" else [len(labels_M)])
    return _bootstrapped(_VALUES[goal], labels_M, ours_M, theirs_M)


Value = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]  # labels, predictions, weights_BM -> [B]


def _bootstrapped(of: Value, labels_M: np.ndarray, ours_M: np.ndarray, theirs_M: np.ndarray) -> Difference:
    """Return the difference with a percentile interval; the p-value counts the samples on the other side of zero."""
    plain_BM = np.ones((1, len(labels_M)), np.float32)
    found = float((of(labels_M, ours_M, plain_BM) - of(labels_M, theirs_M, plain_BM))[0])
    drawn_BM = _drawn(np.bincount(labels_M).tolist())
    d_B = of(labels_M, ours_M, drawn_BM) - of(labels_M, theirs_M, drawn_BM)
    low, high = np.quantile(d_B, [(1 - stats.CONFIDENCE) / 2, (1 + stats.CONFIDENCE) / 2])
    beyond = min(int((d_B <= 0).sum()), int((d_B >= 0).sum()))
    return Difference(found, float(low), float(high), min(1.0, 2 * (beyond + 1) / (SAMPLES + 1)))


def _drawn(sizes_C: list[int]) -> np.ndarray:
    """Return how often each row is drawn, float32 [B, M]; the same for the same sizes."""
    random = np.random.default_rng([SAMPLES, sum(sizes_C)])
    parts = [random.multinomial(n, np.full(n, 1 / n), size=SAMPLES) for n in sizes_C if n]
    return np.concatenate(parts, axis=1).astype(np.float32)


def _class_mean(labels_M: np.ndarray, predicted_M: np.ndarray, weights_BM: np.ndarray) -> np.ndarray:
    return _accuracies(labels_M, predicted_M, weights_BM).mean(axis=1)


def _top1(labels_M: np.ndarray, predicted_M: np.ndarray, weights_BM: np.ndarray) -> np.ndarray:
    return weights_BM @ (predicted_M == labels_M) / weights_BM.sum(axis=1)


def _worst(labels_M: np.ndarray, predicted_M: np.ndarray, weights_BM: np.ndarray) -> np.ndarray:
    counts = _can_be_worst(np.unique(labels_M, return_counts=True)[1])
    return _accuracies(labels_M, predicted_M, weights_BM)[:, counts].min(axis=1)


def _can_be_worst(sizes_C: np.ndarray) -> np.ndarray:
    """Return which classes have enough rows to be the worst one, bool [C]."""
    return sizes_C >= min(LEAST_ROWS, sizes_C.max())


def _macro_f1(labels_M: np.ndarray, predicted_M: np.ndarray, weights_BM: np.ndarray) -> np.ndarray:
    """F1_c = 2 TP_c / (rows of c + predictions of c), mean over the classes with rows."""
    present = np.unique(labels_M)
    said_MC = (predicted_M[:, None] == present).astype(np.float32)
    own_MC = (labels_M[:, None] == present).astype(np.float32)
    right_BC, said_BC, there_BC = (weights_BM @ of_MC for of_MC in (said_MC * own_MC, said_MC, own_MC))
    return np.asarray((2 * right_BC / (said_BC + there_BC)).mean(axis=1))


def _accuracies(labels_M: np.ndarray, predicted_M: np.ndarray, weights_BM: np.ndarray) -> np.ndarray:
    """Return the accuracy of each class with rows, [B, classes with rows]."""
    starts = np.flatnonzero(np.diff(labels_M, prepend=-1))
    sums = np.add.reduceat(weights_BM * (predicted_M == labels_M), starts, axis=1, dtype=np.float64)
    return np.asarray(sums / np.add.reduceat(weights_BM, starts, axis=1, dtype=np.float64))


_VALUES: dict[str, Value] = {"class-mean": _class_mean, "worst-class": _worst, "macro-f1": _macro_f1, "top-1": _top1}
