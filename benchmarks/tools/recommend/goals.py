"""What a recommendation maximises, and paired differences of it.

Shape suffixes: S seeds, N rows in order of their class, C classes, B bootstrap samples. Class mean and top-1 have the
closed intervals of `records/stats.py`; worst class and macro-F1 are no means over rows, so rows are drawn again within
each class (stratified bootstrap: Efron, Tibshirani, An Introduction to the Bootstrap, 1993, section 8).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

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
    """Predicted classes of rows: `labels_N` in ascending order, `by_seed` int64 [N] each (-1: no prediction)."""

    labels_N: np.ndarray
    classes: int
    by_seed: Mapping[int, np.ndarray]

    def of(self, seeds: list[int]) -> np.ndarray:
        """Return the predictions of some seeds, int64 [S, N]."""
        return np.stack([self.by_seed[seed] for seed in seeds])

    def sizes(self) -> np.ndarray:
        """Return the rows of each class, int64 [C]."""
        return np.bincount(self.labels_N, minlength=self.classes)


def value(goal: str, of: Predicted, seeds: list[int] | None = None) -> float:
    """Return the goal in [0, 1], from all seeds together; NaN without rows."""
    if not len(of.labels_N):
        return float("nan")
    return float(_VALUES[goal](of, of.of(seeds or sorted(of.by_seed)), np.ones((1, len(of.labels_N)), np.float32))[0])


def paired(goal: str, ours: Predicted, theirs: Predicted, only_N: np.ndarray | None = None) -> Difference:
    """Return ours minus theirs over the seeds that both have, paired row by row; `only_N` limits it to some rows.

    Raises ValueError without a common seed or without rows.
    """
    seeds = sorted(set(ours.by_seed) & set(theirs.by_seed))
    keep_N = np.ones(len(ours.labels_N), bool) if only_N is None else only_N
    labels_N = ours.labels_N[keep_N]
    if not seeds or not len(labels_N):
        raise ValueError("a paired comparison needs a common seed, and rows")
    ours_SN, theirs_SN = ours.of(seeds)[:, keep_N], theirs.of(seeds)[:, keep_N]
    if goal in ("class-mean", "top-1"):
        d_SN = (ours_SN == labels_N).astype(np.int8) - (theirs_SN == labels_N).astype(np.int8)
        sizes = [n for n in np.bincount(labels_N).tolist() if n]
        return stats.compare(d_SN, sizes if goal == "class-mean" else [len(labels_N)])
    one = Predicted(labels_N, ours.classes, {})
    return _bootstrapped(_VALUES[goal], one, ours_SN, theirs_SN)


def _bootstrapped(
    of: Callable[[Predicted, np.ndarray, np.ndarray], np.ndarray],
    rows: Predicted,
    ours_SN: np.ndarray,
    theirs_SN: np.ndarray,
) -> Difference:
    """Return the difference with a percentile interval; the p-value counts the samples on the other side of zero."""
    plain_BN = np.ones((1, len(rows.labels_N)), np.float32)
    found = float((of(rows, ours_SN, plain_BN) - of(rows, theirs_SN, plain_BN))[0])
    drawn_BN = _drawn(rows.sizes())
    d_B = of(rows, ours_SN, drawn_BN) - of(rows, theirs_SN, drawn_BN)
    low, high = np.quantile(d_B, [(1 - stats.CONFIDENCE) / 2, (1 + stats.CONFIDENCE) / 2])
    beyond = min(int((d_B <= 0).sum()), int((d_B >= 0).sum()))
    return Difference(found, float(low), float(high), min(1.0, 2 * (beyond + 1) / (SAMPLES + 1)))


def _drawn(sizes_C: np.ndarray) -> np.ndarray:
    """Return how often each row is drawn, float32 [B, N]; the same for the same sizes."""
    random = np.random.default_rng([SAMPLES, int(sizes_C.sum())])
    parts = [random.multinomial(n, np.full(n, 1 / n), size=SAMPLES) for n in sizes_C.tolist() if n]
    return np.concatenate(parts, axis=1).astype(np.float32)


def _class_mean(rows: Predicted, predicted_SN: np.ndarray, weights_BN: np.ndarray) -> np.ndarray:
    return _accuracies(rows, predicted_SN, weights_BN).mean(axis=1)


def _top1(rows: Predicted, predicted_SN: np.ndarray, weights_BN: np.ndarray) -> np.ndarray:
    return weights_BN @ _hits(rows, predicted_SN) / weights_BN.sum(axis=1)


def _worst(rows: Predicted, predicted_SN: np.ndarray, weights_BN: np.ndarray) -> np.ndarray:
    sizes = rows.sizes()
    sizes = sizes[sizes > 0]
    counts = sizes >= min(LEAST_ROWS, sizes.max())
    return _accuracies(rows, predicted_SN, weights_BN)[:, counts].min(axis=1)


def _macro_f1(rows: Predicted, predicted_SN: np.ndarray, weights_BN: np.ndarray) -> np.ndarray:
    """F1_c = 2 TP_c / (rows of c + predictions of c), mean over the classes with rows and over seeds."""
    present = np.flatnonzero(rows.sizes())
    total_B = np.zeros(len(weights_BN))
    for predicted_N in predicted_SN:
        is_NC = (predicted_N[:, None] == present).astype(np.float32)
        own_NC = (rows.labels_N[:, None] == present).astype(np.float32)
        right_BC, said_BC, there_BC = weights_BN @ (is_NC * own_NC), weights_BN @ is_NC, weights_BN @ own_NC
        total_B += (2 * right_BC / (said_BC + there_BC)).mean(axis=1)
    return np.asarray(total_B / len(predicted_SN))


def _hits(rows: Predicted, predicted_SN: np.ndarray) -> np.ndarray:
    """Return the share of seeds that are right on each row, float32 [N]."""
    return np.asarray((predicted_SN == rows.labels_N).mean(axis=0), np.float32)


def _accuracies(rows: Predicted, predicted_SN: np.ndarray, weights_BN: np.ndarray) -> np.ndarray:
    """Return the accuracy of each class with rows, over all seeds, [B, classes with rows]."""
    starts = np.flatnonzero(np.diff(rows.labels_N, prepend=-1))
    weighted_BN = weights_BN * _hits(rows, predicted_SN)
    sums = np.add.reduceat(weighted_BN, starts, axis=1, dtype=np.float64)
    return np.asarray(sums / np.add.reduceat(weights_BN, starts, axis=1, dtype=np.float64))


_VALUES = {"class-mean": _class_mean, "worst-class": _worst, "macro-f1": _macro_f1, "top-1": _top1}
