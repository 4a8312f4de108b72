"""Equalization loss, in its softmax form (SEQL)."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from strategies.base import Batch, Outputs, Step, Strategy
from strategies.common import queued, weighted_mean
from strategies.registry import register
from strategies.space import Real, Space

if TYPE_CHECKING:
    from torch import Tensor


@register
@dataclasses.dataclass(frozen=True)
class Equalization(Strategy):
    """l = -sum_c y_c log(e^(z_c) / sum_k w_k e^(z_k)), w_k = 1 - beta T(f_k) (1 - y_k).

    Tan, Wang, Li, Li, Ouyang, Yin, Yan, "Equalization Loss for Long-Tailed Object Recognition", CVPR 2020,
    arXiv:2003.05176, the softmax equalization loss: T(f) = 1 for classes rarer than a threshold, f_k = n_k / N; beta is
    1 with probability `gamma`, else 0, drawn for each sample and class. Samples of other classes mostly do not lower
    the logits of rare classes. Without class weights the loss is at least 0 for mixed targets as well (Jensen;
    w_k >= y_k). It holds the seat "prior", because w corrects the softmax by class frequency.

    `gamma` is in [0, 1]; 0.9 is the value of the Bag of Tricks benchmark (Zhang et al., AAAI 2021) for CIFAR-100-LT.
    `threshold`, at least 0, is in units of the uniform share 1/C: 0.5 is that benchmark's lambda of 0.005 for 100
    classes. Deviation: the paper's lambda is absolute and chosen per data set; in these units the default finds rare
    classes on every long-tailed data set. Over a batch the weighted mean is taken (`common.weighted_mean`).
    """

    name = "equalization"
    summary = "softmax equalization loss (SEQL): samples of other classes do not lower rare classes' logits"
    version = "2"
    seats = frozenset({"prior"})
    ranges = {"gamma": "[0, 1]", "threshold": "[0, inf)"}

    gamma: float = 0.9
    threshold: float = 0.5

    def space(self) -> Space:
        """Around the benchmark's values."""
        return {"gamma": Real(0.5, 0.99), "threshold": Real(0.1, 2.0, log=True)}

    def loss(self, outputs: Outputs, batch: Batch, step: Step) -> Tensor:
        """Return the scalar loss."""
        import torch

        logits_BC, y_BC = outputs.logits_BC, batch.y_BC
        counts_C = step.facts.counts
        rare_C = step.constant(counts_C < self.threshold * counts_C.mean(), logits_BC)
        beta_BC = (queued(torch.rand(y_BC.shape, generator=step.generator), y_BC) < self.gamma).to(logits_BC.dtype)
        # log 0 = -inf is fine for logsumexp, because the label's own weight is never 0
        log_weights_BC = torch.log1p(-beta_BC * rare_C * (1 - y_BC))
        loss_BC = (logits_BC + log_weights_BC).logsumexp(1, keepdim=True) - logits_BC
        return weighted_mean(loss_BC, y_BC, step.weights_C)
