"""Is a difference real: paired intervals from the bits of records, over test rows and seeds; Wilson intervals.

Shape suffixes: S seeds, N test rows, C classes. The paired intervals are closed forms and not a bootstrap, because a
committed table has to come out the same on every machine and NumPy version. tests/records/null_simulation.py measures
how often they mark a difference that is not there. `scipy.special` loads in a quarter of the time of `scipy.stats`.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import statistics
from collections.abc import Iterable, Sequence

import numpy as np

from benchmarks.records.bits import unpack_bits
from benchmarks.records.paired import Counts, Pooled, pool
from benchmarks.records.record import StageResult
from benchmarks.records.resampled import corrected

CONFIDENCE = 0.95
NORMAL_QUANTILE = statistics.NormalDist().inv_cdf((1 + CONFIDENCE) / 2)  # half of an interval in standard errors
SHRINKAGE = 2.0  # weight of the pooled variance, in rows; 1 to 8 keep the level equally well in the simulation
_ZERO = 1e-18  # below it a variance is rounding: accuracies are shares of at most millions of rows
_LEAST, _NOTHING = 1e-150, 1e-9  # the lowest p-value with two variances; a p-value this close to 1 is not refined
_EXACT, _MOST_STEPS = 1e-13, 100  # where the search for a p-value stops: relative error of the half-width, steps


@dataclasses.dataclass(frozen=True)
class Difference:
    """A difference of two accuracies in [-1, 1], its confidence interval and its two-sided p-value.

    Bounds and p-value are NaN where the data give none: too few test rows, or rows that differ in the same way within
    every class, so that nothing is known of their variance.
    """

    value: float
    low: float
    high: float
    p: float = math.nan

    @property
    def real(self) -> bool:
        """Whether the interval excludes zero; not corrected for the number of comparisons (see `multiple.py`)."""
        return self.low > 0 or self.high < 0


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


def differences(ours: Sequence[StageResult], theirs: Sequence[StageResult]) -> tuple[Difference, Difference]:
    """Return top-1 (overall, class mean): how far `ours` is above `theirs`, paired row by row and seed by seed.

    `ours[s]` and `theirs[s]` are the same stage of the same seed and split. See `compare` for the interval, with
    several splits `resampled.corrected`. With one split and seed it is about other test rows only, not about another
    training.

    Raises `ValueError` where the results are not of the same rows and classes, or there are none.
    """
    counts = [_counted(_paired(a, b), _right(a) - _right(b)) for a, b in _splits(ours, theirs)]
    return _over_splits([_compare(one.together()) for one in counts], ours), _over_splits(map(_compare, counts), ours)


def class_mean(ours: Sequence[StageResult], theirs: Sequence[StageResult]) -> Difference:
    """Return the second of `differences` alone."""
    counts = (_counted(_paired(a, b), _right(a) - _right(b)) for a, b in _splits(ours, theirs))
    return _over_splits(map(_compare, counts), ours)


def of_class(ours: Sequence[StageResult], theirs: Sequence[StageResult], c: int) -> tuple[Difference, int, int]:
    """Return the top-1 difference of the class at position `c`, computed as overall in `differences`; rows won, lost.

    A row is won where `ours` is right and `theirs` is not; rows are summed over seeds. Raises `ValueError` where the
    results are not of the same rows, or the class has no test rows.
    """
    found, won, lost = [], 0, 0
    for a, b in _splits(ours, theirs):
        first = _paired(a, b)
        if not first.test_n[c]:
            raise ValueError(f"class {first.classes[c]!r} has no test rows")
        d_SN = _right(a) - _right(b)
        own_SN = d_SN[:, sum(first.test_n[:c]) : sum(first.test_n[: c + 1])]
        found.append(_compare(Counts.of(own_SN, (first.test_n[c],)), pool(_counted(first, d_SN))))
        won, lost = won + int((own_SN > 0).sum()), lost + int((own_SN < 0).sum())
    return _over_splits(found, ours), won, lost


def compare(d_SN: np.ndarray, sizes_C: Sequence[int]) -> Difference:
    """Return the mean over classes of the class means of `d_SN`, averaged over seeds, with its interval and p-value.

    `d_SN` in {-1, 0, 1}: ours minus theirs, rows class by class, `sizes_C` rows in each class (one size: plain mean).
    The variance has two parts. Test rows: sum_c v_c / n_c / C^2 with x_n = mean_s d_sn and v_c the variance of x
    within class c, shrunk toward the variance pooled over classes with the weight of `SHRINKAGE` rows, so that three
    rows that agree do not count as certainty. Training: the variance of the seeds' means over S, minus (S - 1) / S of
    the part of it explained by the rows' scatter between trainings, e_sn = d_sn - x_n - (class mean of the seed - class
    mean); at least 0. The interval adds the parts' squared half-widths, each with its own Student quantile (Howe 1974;
    Graybill and Wang, JASA 75 (1980), "modified large-sample" intervals), because one quantile for both is too short
    where two or three seeds disagree. The p-value is the level at which the interval touches zero.
    """
    return _compare(Counts.of(d_SN, sizes_C))


def _compare(counts: Counts, pooled: Pooled | None = None) -> Difference:
    """Return what `compare` describes; `pooled`: the variances to shrink to, by default those of these classes."""
    sizes, seeds = counts.sizes_C, counts.seeds
    value_S = (counts.sums_SC / sizes).mean(axis=1)
    pooled = pooled or pool(counts)
    rows, rows_freedom = _weighted(counts.rows_C, sizes - 1, sizes, pooled.rows)
    training = 0.0
    if seeds > 1:
        explained, _ = _weighted(counts.scatter_C, (sizes - 1) * (seeds - 1), sizes, pooled.scatter)
        explained = 0.0 if math.isnan(explained) else explained
        spread_of_seeds = float(value_S.var(ddof=1)) / seeds
        training = max(0.0, spread_of_seeds - (seeds - 1) / seeds * explained / seeds)
    if pooled.differ and not rows > _ZERO:
        return Difference(float(value_S.mean()), math.nan, math.nan)
    return _interval(float(value_S.mean()), (rows, rows_freedom), (training, seeds - 1))


def _weighted(
    squares_C: np.ndarray, freedom_C: np.ndarray, sizes_C: np.ndarray, pooled: tuple[float, int]
) -> tuple[float, float]:
    """Return the variance of the mean over classes of class means, and its degrees of freedom (Satterthwaite)."""
    shared, shared_freedom = pooled
    part_C = (squares_C + SHRINKAGE * shared) / (freedom_C + SHRINKAGE) / sizes_C / sizes_C.size**2
    variance = float(part_C.sum())
    if not variance > _ZERO:
        return variance, 1.0
    own_C = (freedom_C + SHRINKAGE) ** 2 / (freedom_C + SHRINKAGE**2 / shared_freedom)
    return variance, max(1.0, min(float(shared_freedom), variance**2 / float((part_C**2 / own_C).sum())))


def _interval(value: float, rows: tuple[float, float], training: tuple[float, float]) -> Difference:
    """Return the difference with the interval and p-value of the two (variance, degrees of freedom)."""
    parts = [(variance, freedom) for variance, freedom in (rows, training) if not variance <= _ZERO]
    if any(math.isnan(variance) for variance, _ in parts):
        return Difference(value, math.nan, math.nan)
    if not parts:
        return Difference(value, value, value, 1.0)
    half = math.sqrt(_squared_half_width(1 - CONFIDENCE, parts))
    return Difference(value, max(-1.0, value - half), min(1.0, value + half), _p_value(abs(value), parts))


def _squared_half_width(level: float, parts: Sequence[tuple[float, float]]) -> float:
    """Return the sum over (variance, degrees of freedom) of variance times squared Student quantile."""
    from scipy.special import stdtrit

    return sum(variance * float(stdtrit(freedom, level / 2)) ** 2 for variance, freedom in parts)


def _p_value(size: float, parts: Sequence[tuple[float, float]]) -> float:
    """Return the level at which the half-width is `size`, to nine digits.

    If all parts had the most or the fewest degrees of freedom, it would be a Student tail: these two levels enclose it.
    Between them the log of the half-width is smooth in -log p, and false position (the Illinois rule of M. Dowell,
    P. Jarratt, BIT 11 (1971)) takes 5 to 10 steps where bisection takes 45.
    """
    from scipy.special import stdtr

    t = -size / math.sqrt(sum(variance for variance, _ in parts))
    levels = sorted(2 * float(stdtr(freedom, t)) for _, freedom in parts)
    if levels[0] == levels[-1] or levels[0] > 1 - _NOTHING:
        return levels[-1]

    def excess(x: float) -> float:
        return math.log(_squared_half_width(math.exp(-x), parts) / size**2)

    a, b = (-math.log(max(level, _LEAST)) for level in levels[::-1])
    f_a, f_b = excess(a), excess(b)
    for _ in range(_MOST_STEPS):
        if f_a * f_b >= 0 or abs(f_b) < _EXACT:
            break
        x = (a * f_b - b * f_a) / (f_b - f_a)
        f_x = excess(x)
        a, f_a = (b, f_b) if f_x * f_b < 0 else (a, f_a / 2)
        b, f_b = x, f_x
    return math.exp(-b)


def _splits(
    ours: Sequence[StageResult], theirs: Sequence[StageResult]
) -> list[tuple[list[StageResult], list[StageResult]]]:
    """Group the results by split, which their test rows identify; return one group if the two do not pair."""
    if not ours or len(ours) != len(theirs):
        return [(list(ours), list(theirs))]
    found: dict[str, tuple[list[StageResult], list[StageResult]]] = {}
    for a, b in zip(ours, theirs, strict=True):
        sides = found.setdefault(a.rows_key, ([], []))
        sides[0].append(a)
        sides[1].append(b)
    return list(found.values())


def _over_splits(found: Iterable[Difference], of: Sequence[StageResult]) -> Difference:
    """Return the mean of the differences in several splits with the interval over splits; a single one as it is."""
    one, *others = found
    if not others:
        return one
    trained = sum(of[0].train_n) + sum(of[0].validation_n)
    return Difference(*corrected([d.value for d in (one, *others)], of[0].rows / trained, CONFIDENCE))


def _paired(ours: Sequence[StageResult], theirs: Sequence[StageResult]) -> StageResult:
    """Return the first of `ours`. Raises `ValueError` where the two are not of the same rows and classes, or empty."""
    first = ours[0] if ours else None
    if first is None or len(ours) != len(theirs) or first.rows == 0:
        raise ValueError("a paired comparison needs as many results on either side, at least one, with test rows")
    same = (first.rows_key, first.classes, first.test_n)
    if any((stage.rows_key, stage.classes, stage.test_n) != same for stage in (*ours, *theirs)):
        raise ValueError("results pair only where they are of the same test rows and classes")
    return first


def _counted(first: StageResult, d_SN: np.ndarray) -> Counts:
    return Counts.of(d_SN, [n for n in first.test_n if n > 0])


def _right(stages: Sequence[StageResult]) -> np.ndarray:
    """Return int8 [S, N] of zeros and ones, rows class by class."""
    return np.stack([_unpacked(s.top1_bits, s.rows) for s in stages])


@functools.lru_cache(maxsize=2048)  # a table compares all pairs of rows: each stage is needed many times; N bytes each
def _unpacked(bits: str, rows: int) -> np.ndarray:
    return unpack_bits(bits, rows).view(np.int8)
