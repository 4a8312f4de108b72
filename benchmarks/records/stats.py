"""Is a difference real: paired intervals from the bits of records, spread over seeds, and Wilson intervals.

Shape suffixes: S seeds, N test rows, C classes. The paired intervals are closed forms and not a bootstrap, because a
committed table has to come out the same on every machine and NumPy version; the tests hold them against a bootstrap.
`scipy.special` instead of `scipy.stats`: it loads in a quarter of the time.
"""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Sequence

import numpy as np

from benchmarks.records.record import StageResult, unpack_bits

CONFIDENCE = 0.95
_ZERO = 1e-18  # below it a variance is rounding: accuracies are shares of at most millions of rows


@dataclasses.dataclass(frozen=True)
class Difference:
    """A difference of two accuracies, in [-1, 1], and its confidence interval (NaN bounds where there is none)."""

    value: float
    low: float
    high: float

    @property
    def real(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low > 0 or self.high < 0


def spread(values: Sequence[float]) -> tuple[float, float]:
    """Return mean and sample standard deviation (n - 1) over seeds; the latter is NaN for a single seed."""
    return statistics.fmean(values), float(np.std(values, ddof=1)) if len(values) > 1 else math.nan


def wilson(hits: float, rows: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return Wilson's score interval of the accuracy `hits / rows`; (0, 1) without rows.

    (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n). `hits` may be a mean over seeds and so a fraction.
    E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927).
    """
    if rows == 0:
        return 0.0, 1.0
    z = statistics.NormalDist().inv_cdf((1 + confidence) / 2)
    p, shrink = hits / rows, 1 + z * z / rows
    centre = (p + z * z / (2 * rows)) / shrink
    half = z * math.sqrt(p * (1 - p) / rows + z * z / (4 * rows * rows)) / shrink
    return max(0.0, centre - half), min(1.0, centre + half)


def differences(
    ours: Sequence[StageResult], theirs: Sequence[StageResult], top: int = 1
) -> tuple[Difference, Difference]:
    """Return (overall, class mean): how far `ours` lies above `theirs`, paired row by row and seed by seed.

    `ours[s]` and `theirs[s]` are the same stage of the same seed; `top` is 1 or 5. With d_sn in {-1, 0, 1} the
    difference in hits and x_n its mean over seeds, the estimate's variance is the sum of two parts, as in the
    pigeonhole bootstrap (A. B. Owen, Annals of Applied Statistics 1 (2007)), which errs on the wide side: the test
    rows' part, var(x_n) / N, for the class mean stratified by class, sum_c var_c(x_n) / n_c / C^2, where classes with
    a single row share one variance (collapsed strata, W. G. Cochran, Sampling Techniques (1977), 5A.12); and with
    several seeds the training's part, var_s(mean_n d_sn) / S. The interval is Student's t with Welch-Satterthwaite
    degrees of freedom.
    With one seed it speaks of other test rows only, not of another training.

    Raises `ValueError` where the results are not of the same rows and classes, or there are none.
    """
    first = _paired(ours, theirs)
    d_SN = _bits(ours, top) - _bits(theirs, top)
    test_C = np.array([n for n in first.test_n if n > 0])
    starts_C = np.concatenate([[0], np.cumsum(test_C)[:-1]])
    x_N = d_SN.mean(axis=0)
    overall = _difference(d_SN.mean(axis=1), x_N.var(ddof=1) / x_N.size if x_N.size > 1 else math.nan, x_N.size - 1)
    means_SC = np.add.reduceat(d_SN, starts_C, axis=1) / test_C
    rows_variance = _stratified(x_N, test_C, starts_C)
    return overall, _difference(means_SC.mean(axis=1), rows_variance, max(1, x_N.size - test_C.size))


def of_class(ours: Sequence[StageResult], theirs: Sequence[StageResult], c: int) -> tuple[Difference, int, int]:
    """Return the difference in top-1 of the class at position `c`, as `differences` has it overall; rows won, lost.

    A row is won where `ours` is right and `theirs` is not; rows are summed over seeds. Raises `ValueError` where the
    results are not of the same rows, or the class has no test rows.
    """
    first = _paired(ours, theirs)
    if not first.test_n[c]:
        raise ValueError(f"class {first.classes[c]!r} has no test rows")
    start = sum(first.test_n[:c])
    d_SN = (_bits(ours, 1) - _bits(theirs, 1))[:, start : start + first.test_n[c]]
    x_N = d_SN.mean(axis=0)
    variance = float(x_N.var(ddof=1) / x_N.size) if x_N.size > 1 else math.nan
    return _difference(d_SN.mean(axis=1), variance, x_N.size - 1), int((d_SN > 0).sum()), int((d_SN < 0).sum())


def _paired(ours: Sequence[StageResult], theirs: Sequence[StageResult]) -> StageResult:
    """Return the first of `ours`. Raises `ValueError` where the two are not of the same rows and classes, or empty."""
    first = ours[0] if ours else None
    if first is None or len(ours) != len(theirs) or first.rows == 0:
        raise ValueError("a paired comparison needs as many results on either side, at least one, with test rows")
    same = (first.rows_key, first.classes, first.test_n)
    if any((stage.rows_key, stage.classes, stage.test_n) != same for stage in (*ours, *theirs)):
        raise ValueError("results pair only where they are of the same test rows and classes")
    return first


def _bits(stages: Sequence[StageResult], top: int) -> np.ndarray:
    """Return float64 [S, N] of zeros and ones, rows class by class."""
    return np.array([unpack_bits(s.top1_bits if top == 1 else s.top5_bits, s.rows) for s in stages], dtype=np.float64)


def _stratified(x_N: np.ndarray, test_C: np.ndarray, starts_C: np.ndarray) -> float:
    """Return the sampling variance of the mean over classes of the class means of `x_N`; NaN where it has none."""
    sums_C, squares_C = np.add.reduceat(x_N, starts_C), np.add.reduceat(x_N * x_N, starts_C)
    single_C = test_C == 1
    if x_N.size < 2:
        return math.nan
    variance_C = np.maximum(squares_C - sums_C**2 / test_C, 0.0) / np.maximum(test_C - 1, 1)
    if single_C.any():
        alone = x_N[starts_C[single_C]]
        variance_C[single_C] = alone.var(ddof=1) if alone.size > 1 else x_N.var(ddof=1)
    return float((variance_C / test_C).sum() / test_C.size**2)


def _difference(value_S: np.ndarray, rows_variance: float, rows_freedom: int) -> Difference:
    """Join the test rows' variance with that over seeds into an interval around the mean of `value_S`."""
    from scipy.special import stdtrit

    value = float(value_S.mean())
    seeds = value_S.size
    seeds_variance = float(value_S.var(ddof=1)) / seeds if seeds > 1 else 0.0
    variance = rows_variance + seeds_variance
    if math.isnan(variance) or (variance < _ZERO and value):  # all rows alike: too few of them to say how sure that is
        return Difference(value, math.nan, math.nan)
    if variance < _ZERO:
        return Difference(value, value, value)
    freedom = variance**2 / (rows_variance**2 / rows_freedom + seeds_variance**2 / max(1, seeds - 1))
    half = float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * math.sqrt(variance)
    return Difference(value, max(-1.0, value - half), min(1.0, value + half))
