"""Deferred re-weighting: plain training, then class weights for the last part of the stage."""

from __future__ import annotations

import dataclasses

import numpy as np

from strategies.base import Facts, Progress
from strategies.losses.class_balanced import ClassBalanced
from strategies.registry import register
from strategies.schedules.common import Deferred


@register
@dataclasses.dataclass(frozen=True)
class DeferredReweighting(Deferred):
    """Train plainly up to `start` of the stage's epochs, then with class weights.

    Cao, Wei, Gaidon, Arechiga, Ma, "Learning Imbalanced Datasets with Label-Distribution-Aware Margin Loss",
    NeurIPS 2019, arXiv:1906.07413, section 3.3 and algorithm 1: w_c = 1 before, w_c ~ (1 - beta) / (1 - beta^n_c)
    from then on, as in `class-balanced`. Alone, or with parts that bring no weights (`ldam+drw`), the weights are
    these, of sum C. Together with a part that has weights (`drw+loss-weights`) it only defers: that part acts from
    `start` on.

    Defaults from the authors' experiments on CIFAR: from epoch 160 of 200 on, hence `start=0.8`, and `beta=0.9999`.
    `start` is in [0, 1) and is rounded to the nearest epoch; at least the last epoch is weighted.
    Deviations: algorithm 1 lowers the learning rate when the weights begin; here every strategy follows the recipe's
    schedule. The loss is the weighted mean (see `loss-weights`), which is PyTorch's, as in the authors' code.
    """

    name = "drw"
    summary = "class weights for the last part of the training only"
    defers = frozenset({"class_weights_C"})

    def class_weights_C(self, facts: Facts, progress: Progress) -> np.ndarray:
        """Return w_C, float64, positive, sum C."""
        return ClassBalanced(self.beta).class_weights_C(facts, progress)
