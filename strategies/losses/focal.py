"""Focal loss, in its softmax form."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from strategies.base import Batch, Outputs, Step, Strategy
from strategies.common import weighted_mean
from strategies.registry import register
from strategies.space import Real, Space

if TYPE_CHECKING:
    from torch import Tensor


@register
@dataclasses.dataclass(frozen=True)
class Focal(Strategy):
    """l = -sum_c y_c (1 - p_c)^gamma log p_c, with p the softmax of the logits.

    Lin, Goyal, Girshick, He, Dollar, "Focal Loss for Dense Object Detection", ICCV 2017, arXiv:1708.02002, equation 4.
    The paper states the loss for one sigmoid per class; with a single label and a softmax it is the same expression in
    the probability of the true class, as in LDAM's official code. `gamma` is at least 0; the default 2 is what the
    paper found best (section 3.2), 0 is cross entropy. The paper's alpha is left to the class weights, which join by
    `+`.

    Deviation: reduced by the weighted mean (`common.weighted_mean`); the paper divides by the number of anchors with
    an object, which classification does not have. Class weights multiply the loss, as in Cui et al.; LDAM's official
    code has them in the exponent as well, p = e^(-w CE), so that they also change which samples count as easy.
    """

    name = "focal"
    summary = "focal loss (softmax form): easy samples count less"
    version = "2"
    ranges = {"gamma": "[0, inf)"}

    gamma: float = 2.0

    def space(self) -> Space:
        """Section 3.2 tries 0 to 5; 0 is cross entropy."""
        return {"gamma": Real(0.5, 5.0)}

    def loss(self, outputs: Outputs, batch: Batch, step: Step) -> Tensor:
        """Return the scalar loss."""
        import torch

        log_p_BC = outputs.logits_BC.log_softmax(1)
        # expm1 is accurate for p near 1; the clamp keeps the gradient finite for gamma < 1
        rest_BC = (-log_p_BC.expm1()).clamp_min(torch.finfo(log_p_BC.dtype).tiny)
        return weighted_mean(-(rest_BC**self.gamma) * log_p_BC, batch.y_BC, step.weights_C)
