"""Logit adjustment in training."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from strategies.base import Batch, Facts, Outputs, Step, Strategy
from strategies.common import log_prior_C
from strategies.registry import register
from strategies.space import Real, Space

if TYPE_CHECKING:
    from torch import Tensor


@dataclasses.dataclass(frozen=True)
class LogitAdjustment(Strategy):
    """Base of `logit-adjust` and `logit-adjust-posthoc`: the shift tau log pi_c, pi_c = n_c / N; `tau` >= 0."""

    seats = frozenset({"prior"})
    ranges = {"tau": "[0, inf)"}

    tau: float = 1.0

    def space(self) -> Space:
        """Around the consistent value 1: from weak correction to more than twice as strong."""
        return {"tau": Real(0.25, 2.5)}

    def shift_C(self, facts: Facts) -> np.ndarray:
        """Return tau log pi, float64 [C]."""
        return self.tau * log_prior_C(facts)


@register
@dataclasses.dataclass(frozen=True)
class LogitAdjust(LogitAdjustment):
    """l = -log(e^(z_y + tau log pi_y) / sum_c e^(z_c + tau log pi_c)), pi_c = n_c / N.

    Menon, Jayasumana, Rawat, Jain, Veit, Kumar, "Long-Tail Learning via Logit Adjustment", ICLR 2021, arXiv:2007.07314,
    equation 10. `tau` is at least 0; the default 1 is consistent for the balanced error (section 4.1) and the paper's
    default in section 6. Prediction takes the plain logits. `logit-adjust-posthoc` applies the same correction to a
    network that was trained plainly; both together would correct twice, and the seat "prior" refuses them.

    Deviation: a class without samples counts as one sample, so that its logit stays finite.
    """

    name = "logit-adjust"
    summary = "train with the log class prior added to the logits"

    def train_logits(self, outputs: Outputs, batch: Batch, step: Step) -> Tensor:
        """Return z + tau log pi, [B, C]."""
        return outputs.logits_BC + step.constant(self.shift_C(step.facts), outputs.logits_BC)
