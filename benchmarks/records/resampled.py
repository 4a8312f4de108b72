"""Differences measured on several random splits of the same rows, whose training and test rows overlap."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np


def corrected(
    values_K: Sequence[float], test_to_train: float, confidence: float = 0.95
) -> tuple[float, float, float, float]:
    """Return (mean, low, high, p) of a difference by the corrected resampled t-test, for K >= 2 splits.

    `values_K`: the difference in [-1, 1] on each split; `test_to_train`: test rows over training rows. The variance of
    the mean is (1 / K + test_to_train) S^2, with S^2 the sample variance over splits, and the quantile Student's with
    K - 1 degrees of freedom: 1 / K alone would take splits of the same rows for independent. C. Nadeau, Y. Bengio,
    Inference for the generalization error, Machine Learning 52 (2003), section 3. Bounds and p-value are NaN where all
    splits agree.
    """
    from scipy.special import stdtr, stdtrit

    splits, value = len(values_K), float(np.mean(values_K))
    error = math.sqrt((1 / splits + test_to_train) * float(np.var(values_K, ddof=1)))
    if not error > 1e-9:
        return value, math.nan, math.nan, math.nan
    half = float(stdtrit(splits - 1, (1 + confidence) / 2)) * error
    p = 2 * float(stdtr(splits - 1, -abs(value) / error))
    return value, max(-1.0, value - half), min(1.0, value + half), p
