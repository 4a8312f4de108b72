"""Deferred re-weighting: plain training first, class weights for the last part of the stage."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from strategies.base import Facts, Phase, Progress, Strategy, StrategyError
from strategies.registry import register
from strategies.schedules import check_start, deferred


def effective_number_weights_C(counts_C: np.ndarray, beta: float) -> np.ndarray:
    """Return float64 [C], sum C: w_c ~ (1 - beta) / (1 - beta^n_c), and 1 for a class with no sample.

    Cui, Jia, Lin, Song, Belongie, "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019,
    arXiv:1901.05555, equation 4. A class with no sample never occurs as a target; its 1 is the others' mean.
    `beta` lies in [0, 1); at 0 every weight is 1.
    """
    present_C = counts_C > 0
    # 1 - beta^n without the cancellation that it has for small n
    effective_C = -np.expm1(counts_C[present_C] * np.log(beta)) if beta else np.ones(int(present_C.sum()))
    weights_C = np.ones_like(counts_C)
    weights_C[present_C] = 1 / effective_C
    weights_C[present_C] *= present_C.sum() / weights_C[present_C].sum()
    return weights_C


@register
@dataclasses.dataclass(frozen=True)
class DeferredReweighting(Strategy):
    """Train plainly up to `start` of the stage's epochs, then with class weights.

    Cao, Wei, Gaidon, Arechiga, Ma, "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss",
    NeurIPS 2019, arXiv:1906.07413, section 3.3 and algorithm 1: w_c = 1 before, w_c ~ (1 - beta) / (1 - beta^n_c)
    from then on. Alone, or with parts that bring no weights (`ldam+drw`), the weights are these, of sum C. Beside a
    part that does (`drw+loss-weights`) it brings none of its own: that part acts from `start` on, whole.

    Defaults from the authors' experiments on CIFAR: from epoch 160 of 200 on, hence `start=0.8`, and `beta=0.9999`.
    `start` lies in [0, 1) and is rounded to the nearest epoch; at least the last epoch is weighted.
    Deviates: algorithm 1 lowers the learning rate where the weights begin; here the recipe's schedule goes on, the
    same for every strategy. The loss is the runner's weighted mean (see `loss-weights`), as PyTorch's in the authors'.
    """

    name = "drw"
    summary = "class weights for the last part of the training only"
    paper = "Cao et al., NeurIPS 2019, arXiv:1906.07413"
    defers = frozenset({"class_weights_C"})

    start: float = 0.8
    beta: float = 0.9999

    def __post_init__(self) -> None:
        """Refuse parameters out of range."""
        check_start(self.name, self.start)
        if not 0 <= self.beta < 1:
            raise StrategyError(f"drw: beta must lie in [0, 1), got {self.beta}.")

    def phases(self, epochs: int, facts: Facts) -> Sequence[Phase]:
        """Plain up to the start, weighted from there."""
        return deferred(self.start, epochs)

    def class_weights_C(self, facts: Facts, progress: Progress) -> np.ndarray:
        """Return w_C, float64, positive, sum C."""
        return effective_number_weights_C(facts.counts, self.beta)
