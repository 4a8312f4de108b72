"""Progressively balanced sampling."""

from __future__ import annotations

import dataclasses

import numpy as np

from strategies.base import Facts, Progress, Strategy
from strategies.registry import register


@register
@dataclasses.dataclass(frozen=True)
class ProgressiveSampling(Strategy):
    """p_c(t) = (1 - t) n_c / N + t / C: from the original frequencies (t = 0) to balance (t = 1); no parameters.

    Kang, Xie, Rohrbach, Yan, Gordo, Feng, Kalantidis, "Decoupling Representation and Classifier for Long-Tailed
    Recognition", ICLR 2020, arXiv:1910.09217, equation 2, with t = epoch / (epochs - 1) as in its official code
    (facebookresearch/classifier-balancing, `np.linspace(0, 1, epochs)`), so that the last epoch is balanced; the paper
    divides by the number of epochs. A stage of a single epoch has t = 1, because otherwise the sampler would do
    nothing.

    C counts the classes that have samples. Deviation: the first epoch is drawn with replacement like all others,
    and an epoch has as many draws as there are samples.
    """

    name = "progressive-sampling"
    summary = "move from the data's class frequencies to balanced classes, epoch by epoch"

    def sampling_C(self, facts: Facts, progress: Progress) -> np.ndarray:
        """Return p_C, float64, sum 1."""
        counts_C = facts.counts
        balanced_C = (counts_C > 0) / np.count_nonzero(counts_C)
        t = progress.epoch / (progress.epochs - 1) if progress.epochs > 1 else 1.0
        return (1 - t) * counts_C / counts_C.sum() + t * balanced_C
