"""Imbalanced SAM: sharpness-aware gradients for the rare classes only."""

from __future__ import annotations

import dataclasses

import numpy as np

from strategies.base import Facts
from strategies.optimisation.sam import SharpnessAware
from strategies.registry import register
from strategies.space import Integer, Space


@register
@dataclasses.dataclass(frozen=True)
class ImbalancedSam(SharpnessAware):
    """Step with g_head(w) + g_tail(w + e), e = rho g_tail / |g_tail|: classes of fewer than `fewest` samples are tail.

    Zhou, Qu, Xu, Shen, "ImbSAM: A Closer Look at Sharpness-Aware Minimization in Class-Imbalanced Recognition", ICCV
    2023, arXiv:2308.07815, section 3.2: g_head and g_tail are the parts of the batch's gradient that come from the rows
    of head and of tail classes. A step takes three passes, hence three times as long.

    Defaults from the official code (cool-xuan/Imbalanced_SAM): `rho=0.05`, and `fewest=20` (its `eta`), the few-shot
    classes. `rho` is at least 0, `fewest` at least 1. Where no class is that rare, the training is plain.
    Deviations: as `sam`; a mixed sample counts as the class with the largest share.
    """

    name = "imbsam"
    summary = "sharpness-aware minimisation of the rare classes' loss alone"
    ranges = {"fewest": "[1, inf)"}

    fewest: int = 20

    def space(self) -> Space:
        """As `sam`, and tail classes up to the many-shot ones."""
        return {**super().space(), "fewest": Integer(5, 100, log=True)}

    def ascent_C(self, facts: Facts) -> np.ndarray:
        """Return which classes are tail, bool [C]."""
        return facts.counts < self.fewest
