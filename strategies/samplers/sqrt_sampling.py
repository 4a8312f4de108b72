"""Square-root sampling."""

from __future__ import annotations

import dataclasses

import numpy as np

from strategies.base import Facts, Progress, Strategy
from strategies.registry import register


@register
@dataclasses.dataclass(frozen=True)
class SqrtSampling(Strategy):
    """p_c = sqrt(n_c) / sum_k sqrt(n_k): halfway, in the exponent, from the data to balance; no parameters.

    Mahajan, Girshick, Ramanathan, He, Paluri, Li, Bharambe, van der Maaten, "Exploring the Limits of Weakly Supervised
    Pretraining", ECCV 2018, arXiv:1805.00932, introduced it for hashtags; Kang et al. (ICLR 2020, arXiv:1910.09217,
    equation 1 with q = 1/2) brought it to long-tailed recognition.
    Deviation: an epoch has as many draws as there are samples.
    """

    name = "sqrt-sampling"
    summary = "draw each class by the square root of its count"

    def sampling_C(self, facts: Facts, progress: Progress) -> np.ndarray:
        """Return p_C, float64, sum 1."""
        root_C = np.sqrt(facts.counts)
        return root_C / root_C.sum()
