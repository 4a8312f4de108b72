"""Random undersampling: frequent classes permanently lose samples."""

from __future__ import annotations

import dataclasses

import numpy as np

from strategies.base import Facts, Progress, Strategy
from strategies.registry import register
from strategies.space import Integer, Space


@register
@dataclasses.dataclass(frozen=True)
class Undersample(Strategy):
    """Keep k_c = min(n_c, max(min n, `least`)) samples of each class, chosen once; the rest is never seen.

    Buda, Maki, Mazurowski, "A Systematic Study of the Class Imbalance Problem in Convolutional Neural Networks", Neural
    Networks 106, 2018, arXiv:1710.05381, section 2.2.1, random majority undersampling: at `least` = 1, the default, all
    classes keep as many as the smallest has; the minimum is over classes that have samples. A data set whose smallest
    class has one sample then keeps one image per class; `least`, an integer from 1, is our own guard against that.

    The number of steps is matched: an epoch has as many draws as there are samples, taken with replacement from the
    kept ones, each equally often. The paper's epochs shrink with the data; here that would compare trainings of
    different length. If no class loses a sample, the data are used as they are.
    """

    name = "undersample"
    summary = "keep as many samples of each class as the smallest has"
    ranges = {"least": "[1, inf)"}

    least: int = 1

    def space(self) -> Space:
        """From the rarest class's count to some tens of samples."""
        return {"least": Integer(1, 100, log=True)}

    def kept_C(self, facts: Facts, progress: Progress) -> np.ndarray | None:
        """Return k_C, int64; None where every sample is kept."""
        counts_C = np.asarray(facts.counts_C, dtype=np.int64)
        level = max(int(counts_C[counts_C > 0].min()), self.least)
        return np.minimum(counts_C, level) if (counts_C > level).any() else None
