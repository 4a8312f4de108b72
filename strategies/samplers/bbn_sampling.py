"""The bilateral-branch network's sampling: from the data's frequencies to reversed ones."""

from __future__ import annotations

import dataclasses

import numpy as np

from strategies.base import Facts, Progress, Strategy
from strategies.registry import register


@register
@dataclasses.dataclass(frozen=True)
class BbnSampling(Strategy):
    """p_c(t) = a n_c / N + (1 - a) (1 / n_c) / sum_k (1 / n_k), a = 1 - t^2, t = epoch / epochs; no parameters.

    Zhou, Cui, Wei, Chen, "BBN: Bilateral-Branch Network with Cumulative Learning for Long-Tailed Visual Recognition",
    CVPR 2020, arXiv:1912.02413, sections 4.1 (the reversed sampler) and 4.3 (cumulative learning, parabolic decay).
    The paper trains a L(uniform draw) + (1 - a) L(reversed draw); one draw with these probabilities has that loss as
    its expectation. Sums are over the classes that have samples.

    Deviations: one network sees both draws, where the paper has two branches with their own last block and classifier,
    whose logits are mixed by a and 1 - a in training and equally when scored; draws are with replacement. The official
    code (megvii-research/BBN) divides by a longer schedule for 90 and 180 epochs.
    """

    name = "bbn-sampling"
    summary = "move from the data's class frequencies to reversed ones, epoch by epoch"

    def sampling_C(self, facts: Facts, progress: Progress) -> np.ndarray:
        """Return p_C, float64, sum 1."""
        counts_C = facts.counts
        inverse_C = np.divide(1.0, counts_C, out=np.zeros_like(counts_C), where=counts_C > 0)
        a = 1 - progress.fraction**2
        return a * counts_C / counts_C.sum() + (1 - a) * inverse_C / inverse_C.sum()
