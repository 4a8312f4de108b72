"""Multiple comparisons in one table: corrected p-values, tie groups and rank intervals.

M comparisons, E entries. NaN p-values (no interval) count as 1: they are part of the family and never significant.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

LEVEL = 0.05


def holm(p_M: Sequence[float]) -> np.ndarray:
    """Return p-values corrected by Holm's step-down procedure, float64 [M]; the family-wise error rate is controlled.

    Sorted p_(1) <= ... <= p_(M): the corrected p_(k) is max_{j <= k} min(1, (M - j + 1) p_(j)).
    S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6 (1979).
    """
    p = np.nan_to_num(np.asarray(p_M, dtype=np.float64), nan=1.0)
    order = np.argsort(p, kind="stable")
    steps = np.minimum(1.0, p[order] * np.arange(p.size, 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.maximum.accumulate(steps)
    return corrected


def benjamini_hochberg(p_M: Sequence[float]) -> np.ndarray:
    """Return q-values, float64 [M]: the least false discovery rate at which each comparison is reported.

    q_(k) = min_{j >= k} min(1, M p_(j) / j).
    Y. Benjamini, Y. Hochberg, Controlling the false discovery rate, JRSS B 57 (1995).
    """
    p = np.nan_to_num(np.asarray(p_M, dtype=np.float64), nan=1.0)
    order = np.argsort(p, kind="stable")[::-1]
    steps = np.minimum(1.0, p[order] * p.size / np.arange(p.size, 0, -1))
    found = np.empty_like(p)
    found[order] = np.minimum.accumulate(steps)
    return found


def tie_groups(count: int, p_of: Callable[[int, int], float], level: float = LEVEL) -> list[int]:
    """Return the group of each of `count` entries, ranked best first: 1 for all that cannot be told from the best.

    The best entry without a group is compared with every other one without, `p_of(best, other)`, corrected by Holm;
    those that are not significantly different join its group, whatever their rank; then the next group begins.
    """
    groups = [0] * count
    group = 0
    while 0 in groups:
        group += 1
        best = groups.index(0)
        rest = [e for e in range(best + 1, count) if not groups[e]]
        groups[best] = group
        for entry, p in zip(rest, holm([p_of(best, entry) for entry in rest]), strict=True):
            if p > level:
                groups[entry] = group
    return groups


def rank_intervals(
    count: int, difference_of: Callable[[int, int], tuple[float, float]], level: float = LEVEL
) -> list[tuple[int, int]]:
    """Return the best and the worst rank that each entry may have, from all pairs, corrected by Holm together.

    `difference_of(a, b)` gives (value, p) of a minus b. Best rank: one more than the number of entries that are
    significantly better; worst: `count` less those that are significantly worse.
    """
    pairs = [(a, b) for a in range(count) for b in range(a + 1, count)]
    found = [difference_of(a, b) for a, b in pairs]
    better, worse = [0] * count, [0] * count
    for (a, b), (value, _), p in zip(pairs, found, holm([p for _, p in found]), strict=True):
        if p <= level:
            winner, loser = (a, b) if value > 0 else (b, a)
            better[loser] += 1
            worse[winner] += 1
    return [(1 + better[e], count - worse[e]) for e in range(count)]
