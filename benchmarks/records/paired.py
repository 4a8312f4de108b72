"""Counts of paired differences per class, and the variances that they give; `stats` makes intervals of them.

Shape suffixes: S seeds, N test rows, C classes.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class Counts:
    """What a comparison needs of d_SN (ours minus theirs, in {-1, 0, 1}), per class.

    `sums_SC`: d over the rows of a class. `squares_C`: d^2 over its rows and seeds. `totals_C`: (d summed over
    seeds)^2 over its rows. Sums of integers are exact, so rows that agree have no variance at all.
    """

    sizes_C: np.ndarray
    sums_SC: np.ndarray
    squares_C: np.ndarray
    totals_C: np.ndarray

    @classmethod
    def of(cls, d_SN: np.ndarray, sizes_C: Sequence[int]) -> Counts:
        """Count `d_SN`, of any number type; rows class by class, every class with rows."""
        starts_C = np.concatenate([[0], np.cumsum(sizes_C)[:-1]])
        wide = np.int64 if np.issubdtype(d_SN.dtype, np.integer) else np.float64
        total_N = d_SN.sum(axis=0, dtype=wide)
        return cls(
            np.asarray(sizes_C, dtype=np.float64),
            np.add.reduceat(d_SN, starts_C, axis=1, dtype=wide).astype(np.float64),
            np.add.reduceat((d_SN * d_SN).sum(axis=0, dtype=wide), starts_C).astype(np.float64),
            np.add.reduceat(total_N * total_N, starts_C).astype(np.float64),
        )

    def together(self) -> Counts:
        """Return the counts of all rows as one class."""
        return Counts(
            self.sizes_C.sum(keepdims=True),
            self.sums_SC.sum(axis=1, keepdims=True),
            self.squares_C.sum(keepdims=True),
            self.totals_C.sum(keepdims=True),
        )

    @property
    def seeds(self) -> int:
        """The number of seeds."""
        return len(self.sums_SC)

    @functools.cached_property
    def rows_C(self) -> np.ndarray:
        """Per class, the sum over rows of (x_n - class mean)^2 with x_n = mean_s d_sn."""
        deviations_C = self.sizes_C * self.totals_C - self.sums_SC.sum(axis=0) ** 2
        return np.maximum(deviations_C, 0.0) / (self.sizes_C * self.seeds**2)

    @functools.cached_property
    def scatter_C(self) -> np.ndarray:
        """Per class, the sum over rows and seeds of e_sn^2 (see `stats.compare`)."""
        within_C = self.sizes_C * (self.seeds * self.squares_C - self.totals_C)
        between_C = self.seeds * (self.sums_SC**2).sum(axis=0) - self.sums_SC.sum(axis=0) ** 2
        return np.maximum(within_C - between_C, 0.0) / (self.sizes_C * self.seeds)


@dataclasses.dataclass(frozen=True)
class Pooled:
    """Variances pooled over classes, and their degrees of freedom: of rows' means over seeds, of their scatter.

    `differ`: some row of some seed differs.
    """

    rows: tuple[float, int]
    scatter: tuple[float, int]
    differ: bool


def pool(counts: Counts) -> Pooled:
    """Return the variances within classes, pooled; over all rows where every class has a single one."""
    if counts.sizes_C.max() == 1:
        counts = counts.together()
    differ = bool(counts.squares_C.any())
    freedom = int((counts.sizes_C - 1).sum())
    if not freedom:
        return Pooled((math.nan, 0), (math.nan, 0), differ)
    both = freedom * max(1, counts.seeds - 1)
    return Pooled((float(counts.rows_C.sum()) / freedom, freedom), (float(counts.scatter_C.sum()) / both, both), differ)
