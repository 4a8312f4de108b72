"""Label distribution disentangling: balanced softmax, and a regulariser that makes logits log density ratios."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from strategies.base import Batch, Outputs, Step, Strategy
from strategies.common import log_prior_C, weighted_mean
from strategies.registry import register
from strategies.space import Real, Space

if TYPE_CHECKING:
    from torch import Tensor


@register
@dataclasses.dataclass(frozen=True)
class Lade(Strategy):
    """L = CE(z + log pi) + weight R, R = -sum_c pi_c (mean_(y_i = c) z_ic - s_c - squared s_c^2), pi the class prior.

    Hong, Han, Choi, Seo, Kim, Chang, "Disentangling Label Distribution for Long-tailed Visual Recognition", CVPR 2021,
    arXiv:2012.00321, sections 3.2 (the PC softmax in training, which is `balanced-softmax`) and 3.3: R bounds the
    Kullback-Leibler divergence of a class's samples from uniformly distributed classes (Donsker and Varadhan, with the
    square of ReMINE), s_c = log mean_i e^(z_ic) u / pi_(y_i), u = 1 / C: samples are weighted to a uniform prior. The
    logits are scored as they are, for uniform classes.

    Defaults `weight=0.1` and `squared=0.1` from the official configuration for CIFAR100-LT; both are at least 0.
    Deviations: the official code weighs e^(z_ic) by u / pi_c, the prior of the logit's class; the paper's importance
    weights are those of the sample's class, as here. Where a batch has no sample of a class, its mean is 0, as in the
    code. Class weights act on the cross entropy only. A class without samples counts as one sample.
    """

    name = "lade"
    summary = "balanced softmax with a regulariser that takes the class prior out of the logits"
    seats = frozenset({"prior"})
    ranges = {"weight": "[0, inf)", "squared": "[0, inf)"}

    weight: float = 0.1
    squared: float = 0.1

    def space(self) -> Space:
        """A power of ten around the official values."""
        return {"weight": Real(0.01, 1.0, log=True), "squared": Real(0.01, 1.0, log=True)}

    def loss(self, outputs: Outputs, batch: Batch, step: Step) -> Tensor:
        """Return the scalar loss."""
        logits_BC = outputs.logits_BC
        log_pi_C = step.constant(log_prior_C(step.facts), logits_BC)
        loss_BC = -(logits_BC + log_pi_C).log_softmax(1)
        return weighted_mean(loss_BC, batch.y_BC, step.weights_C) + self.weight * self.regulariser(
            logits_BC, batch.y_BC, log_pi_C
        )

    def regulariser(self, logits_BC: Tensor, y_BC: Tensor, log_pi_C: Tensor) -> Tensor:
        """Return R, a scalar."""
        size, classes = logits_BC.shape
        share_C = y_BC.sum(0)
        mean_C = (y_BC * logits_BC).sum(0) / share_C.where(share_C > 0, 1.0)
        log_weight_B = (y_BC @ (-log_pi_C).exp()).log() - math.log(classes)
        s_C = (logits_BC + log_weight_B[:, None]).logsumexp(0) - math.log(size)
        return -(log_pi_C.exp() * (mean_C - s_C - self.squared * s_C.square())).sum()
