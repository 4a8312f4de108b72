"""Vector scaling: multiplied and shifted training logits."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from strategies.base import Batch, Outputs, Step, Strategy
from strategies.common import log_prior_C
from strategies.losses.cdt import temperatures_C
from strategies.registry import register
from strategies.space import Real, Space

if TYPE_CHECKING:
    from torch import Tensor


@register
@dataclasses.dataclass(frozen=True)
class VectorScaling(Strategy):
    """l = -w_y log(e^(D_y z_y + i_y) / sum_c e^(D_c z_c + i_c)), D_c = (n_c / max(n))^gamma, i_c = tau log(n_c / N).

    Kini, Paraskevas, Oymak, Thrampoulidis, "Label-Imbalanced and Group-Sensitive Classification under
    Overparameterization", NeurIPS 2021, arXiv:2103.01550, the VS loss for multiclass data; the weights w are left to
    the parts that join by `+`. gamma = 0 is `logit-adjust(tau)`, tau = 0 is `cdt(gamma)`. Both are at least 0; the
    defaults 0.3 and 1 are those of the official code (orparask/VS-Loss, `losses.py`), which tunes them per data set.

    Deviation: a class without samples counts as one sample.
    """

    name = "vs"
    summary = "train with logits scaled and shifted by class counts (vector scaling)"
    seats = frozenset({"prior"})
    ranges = {"gamma": "[0, inf)", "tau": "[0, inf)"}

    gamma: float = 0.3
    tau: float = 1.0

    def space(self) -> Space:
        """Gamma as `cdt`, tau as `logit-adjust`."""
        return {"gamma": Real(0.05, 0.5), "tau": Real(0.25, 2.5)}

    def train_logits(self, outputs: Outputs, batch: Batch, step: Step) -> Tensor:
        """Return D z + i, [B, C]."""
        logits_BC = outputs.logits_BC
        scaled_BC = logits_BC / step.constant(temperatures_C(step.facts, self.gamma), logits_BC)
        return scaled_BC + step.constant(self.tau * log_prior_C(step.facts), logits_BC)
