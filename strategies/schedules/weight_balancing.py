"""Weight balancing: train the classifier further with class weights, weight decay and a bound on each class's norm."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from strategies.base import Batch, Facts, Outputs, Phase, Progress, Step, Strategy
from strategies.losses.class_balanced import ClassBalanced
from strategies.posthoc.tau_norm import last_linear
from strategies.registry import register
from strategies.schedules.common import retraining
from strategies.space import Real, Space

if TYPE_CHECKING:
    from torch import Tensor, nn


@register
@dataclasses.dataclass(frozen=True)
class WeightBalancing(Strategy):
    """Train plainly up to `start` of the stage's epochs, then only the classifier, its weights balanced.

    Alshammari, Wang, Ramanan, Kong, "Long-Tailed Recognition via Weight Balancing", CVPR 2022, arXiv:2203.14197,
    section 3: the second part minimises the class-balanced loss, w_c ~ (1 - beta) / (1 - beta^n_c) of sum C, with
    `weight_decay` and MaxNorm: each class's weights are projected onto a ball, w_c <- w_c min(1, r / |w_c|),
    r = min_c |w_c| + threshold (max_c |w_c| - min_c |w_c|) of the trained classifier. The loss is the official code's,
    L = -sum_i w_(y_i) [log p_iy + sum_(c != y) log(1 - p_ic)] / (B C), p the softmax: the mean over batch and classes
    makes it small, so that weight decay acts strongly. The network below is frozen, but its batch-norm statistics move
    with the batches, as there. The second part has its own learning-rate schedule.

    Defaults from the authors' code for CIFAR100-LT: 320 epochs, then 10 (`start=0.97`), `threshold=0.1`,
    `weight_decay=0.1`, `beta=0.9999`; the paper tunes weight decay for each data set. `start` is rounded to the
    nearest epoch, at least the last is balanced. `threshold` is in [0, 1], `weight_decay` is at least 0.
    Deviations: the first part's weight decay, which the paper tunes too, is the recipe's, so that plain training is
    shared. The learning rate is the recipe's; the code has 0.01. Weights are projected after every step instead of
    after every epoch; both end in the same ball. r is taken after the second part's first step, because a strategy does
    not see the weights before. The recipe decays no biases. All layers of a deeper classifier are trained, and only the
    last is bounded. A mixed target's loss and weight are those of each label.
    """

    name = "weight-balancing"
    summary = "train the classifier further with class weights, weight decay and a bound on each class's norm"
    version = "2"
    seats = frozenset({"prior", "retraining"})
    ranges = {"start": "[0, 1)", "threshold": "[0, 1]", "weight_decay": "[0, inf)", "beta": "[0, 1)"}

    start: float = 0.97
    threshold: float = 0.1
    weight_decay: float = 0.1
    beta: float = 0.9999

    def space(self) -> Space:
        """Around the official values."""
        return {
            "start": Real(0.8, 0.98),
            "threshold": Real(0.03, 0.3, log=True),
            "weight_decay": Real(0.01, 0.5, log=True),
        }

    def phases(self, epochs: int, facts: Facts) -> Sequence[Phase]:
        """Plain up to the start, then the classifier."""
        return retraining(
            self.start, epochs, "classifier", new_classifier=False, weight_decay=self.weight_decay,
            moving_statistics=True,
        )  # fmt: skip

    def class_weights_C(self, facts: Facts, progress: Progress) -> np.ndarray:
        """Return w_C, float64, positive, sum C."""
        return ClassBalanced(self.beta).class_weights_C(facts, progress)

    def loss(self, outputs: Outputs, batch: Batch, step: Step) -> Tensor:
        """Return the scalar loss."""
        import torch

        log_p_BC = outputs.logits_BC.log_softmax(1)
        log_rest_BC = (-log_p_BC.expm1()).clamp_min(torch.finfo(log_p_BC.dtype).tiny).log()  # log(1 - p)
        loss_BC = -(log_p_BC + log_rest_BC.sum(1, keepdim=True) - log_rest_BC)
        return (batch.y_BC * step.weights_C * loss_BC).sum() / loss_BC.numel()

    def classifier(self, classifier: nn.Module, in_features: int, facts: Facts) -> nn.Module:
        """Return the same classifier with a buffer for r, infinite until it is known.

        Raises `StrategyError` if it has no linear layer.
        """
        import torch

        last_linear(self.name, classifier)
        classifier.register_buffer("max_norm", torch.tensor(math.inf))
        return classifier

    def after_step(self, network: nn.Module, outputs: Outputs, batch: Batch, step: Step) -> None:
        """Project each class's weights onto the ball."""
        import torch

        classifier: nn.Module = network.classifier  # type: ignore[assignment]
        weight_CF = last_linear(self.name, classifier).weight.data
        radius = classifier.get_buffer("max_norm")
        length_C1 = weight_CF.norm(dim=1, keepdim=True)
        low, high = length_C1.aminmax()
        # no branch: it would synchronise with the GPU at every step
        radius.copy_(torch.where(radius.isinf(), low + self.threshold * (high - low), radius))
        weight_CF.mul_((radius / length_C1.clamp_min(torch.finfo(length_C1.dtype).tiny)).clamp_max(1.0))
