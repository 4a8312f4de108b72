"""Logit adjustment after training."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from strategies.base import Facts, Outputs
from strategies.losses.logit_adjust import LogitAdjustment
from strategies.registry import register

if TYPE_CHECKING:
    from torch import Tensor


@register
@dataclasses.dataclass(frozen=True)
class LogitAdjustPosthoc(LogitAdjustment):
    """Score z_c - tau log pi_c, pi_c = n_c / N, with the logits of a network trained without it.

    Menon, Jayasumana, Rawat, Jain, Veit, Kumar, "Long-Tail Learning via Logit Adjustment", ICLR 2021, arXiv:2007.07314,
    equation 9. `tau` is at least 0; the default 1 is the balanced-error rule for calibrated probabilities (section
    4.1). The paper also reports a tau tuned on held-out data (section 6): pass another `tau` for that.

    Deviation: a class without samples counts as one sample; with log 0 it would be predicted for every image.
    """

    name = "logit-adjust-posthoc"
    summary = "subtract the log class prior from the logits of a trained network"

    def predict(self, outputs: Outputs, facts: Facts) -> Tensor:
        """Return z - tau log pi, [N, C]."""
        return outputs.logits_BC - outputs.logits_BC.new_tensor(self.shift_C(facts))
