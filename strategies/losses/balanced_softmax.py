"""Balanced softmax: the class counts inside the training softmax."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from strategies.base import Batch, Outputs, Step, Strategy
from strategies.common import log_prior_C
from strategies.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
@dataclasses.dataclass(frozen=True)
class BalancedSoftmax(Strategy):
    """l = -log(n_y e^(z_y) / sum_c n_c e^(z_c)); no parameters.

    Ren, Yu, Sheng, Ma, Zhao, Yi, Li, "Balanced Meta-Softmax for Long-Tailed Visual Recognition", NeurIPS 2020,
    arXiv:2007.10740, theorem 1: cross entropy on z_c + log(n_c / N); N cancels in the softmax and keeps the numbers
    small. The same loss as `logit-adjust(tau=1)`, found independently; both names are kept because users look for both.
    Prediction takes the plain logits, which are trained to be right for a balanced test set.

    Deviation: a class without samples counts as one sample instead of leaving the softmax (log 0 has no gradient).
    The paper's Meta Sampler is a second method and not part of this one.
    """

    name = "balanced-softmax"
    summary = "train with the class counts inside the softmax"
    seats = frozenset({"prior"})

    def train_logits(self, outputs: Outputs, batch: Batch, step: Step) -> Tensor:
        """Return z + log(n / N), [B, C]."""
        return outputs.logits_BC + step.constant(log_prior_C(step.facts), outputs.logits_BC)
