"""Seesaw loss: frequent classes lower the logits of rare ones less, and confident mistakes cost more."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from strategies.base import Batch, Outputs, Step, Strategy
from strategies.common import positive_counts, weighted_mean
from strategies.registry import register
from strategies.space import Real, Space

if TYPE_CHECKING:
    from torch import Tensor


@register
@dataclasses.dataclass(frozen=True)
class Seesaw(Strategy):
    """l = -log(e^(z_y) / (e^(z_y) + sum_(c != y) S_yc e^(z_c))), S = M C, for the label y.

    Wang, Zhang, Zang, Cao, Pang, Gong, Chen, Liu, Loy, Lin, "Seesaw Loss for Long-Tailed Instance Segmentation", CVPR
    2021, arXiv:2008.10032, section 3.2: mitigation M_yc = min(1, (n_c / n_y)^p), compensation C_yc =
    max(1, (s_c / max(s_y, floor))^q), with s the softmax of z, through which no gradient flows. `p`, `q` at least 0 and
    `floor` in [0, 1]: 0.8, 2 (section 4) and 0.01, the `eps` of the authors' code (mmdetection, `SeesawLoss`);
    floor = 0 is exactly the paper's formula. It holds the seat "prior", because M corrects the logits by the class
    counts.

    Deviations: n are the stage's training counts; the paper accumulates them while it trains, which gives the same
    ratios if every sample is seen equally often, but is state that a resumed run would have to carry. The paper's
    normalised linear layer and objectness branch are parts of its detector, not of the loss. Over a batch and for
    mixed targets the weighted mean over labels (`common.weighted_mean`).
    """

    name = "seesaw"
    summary = "seesaw loss: frequent classes lower rare ones' logits less, confident mistakes cost more"
    version = "2"
    seats = frozenset({"prior"})
    joined_in_paper = frozenset({"sampling_C"})  # repeat factor sampling, section 4
    ranges = {"p": "[0, inf)", "q": "[0, inf)", "floor": "[0, 1]"}

    p: float = 0.8
    q: float = 2.0
    floor: float = 0.01

    def space(self) -> Space:
        """The values of the paper's ablations."""
        return {"p": Real(0.2, 1.2), "q": Real(0.5, 3.0)}

    def loss(self, outputs: Outputs, batch: Batch, step: Step) -> Tensor:
        """Return the scalar loss."""
        # K: one row for each pair of sample and label with y > 0; K = B for hard labels. A GPU waits for K
        row_K, label_K = batch.y_BC.nonzero(as_tuple=True)
        logits_KC = outputs.logits_BC[row_K]
        log_s_KC = logits_KC.detach().log_softmax(1)
        log_n_C = step.constant(np.log(positive_counts(step.facts)), logits_KC)
        own_K1 = log_s_KC.gather(1, label_K[:, None])
        if self.floor:
            own_K1 = own_K1.clamp_min(math.log(self.floor))
        mitigation_KC = self.p * (log_n_C - log_n_C[label_K, None]).clamp_max(0)
        compensation_KC = self.q * (log_s_KC - own_K1).clamp_min(0)
        # both logarithms are 0 at the label itself
        total_K = (logits_KC + mitigation_KC + compensation_KC).logsumexp(1)
        loss_K = total_K - logits_KC.gather(1, label_K[:, None])[:, 0]
        loss_BC = loss_K.new_zeros(batch.y_BC.shape).index_put((row_K, label_K), loss_K)
        return weighted_mean(loss_BC, batch.y_BC, step.weights_C)
