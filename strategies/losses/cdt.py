"""Class-dependent temperatures."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from strategies.base import Batch, Facts, Outputs, Step, Strategy
from strategies.common import positive_counts
from strategies.registry import register
from strategies.space import Real, Space

if TYPE_CHECKING:
    from torch import Tensor


def temperatures_C(facts: Facts, gamma: float) -> np.ndarray:
    """Return a_c = (max(n) / n_c)^gamma, float64 [C], at least 1; a class without samples counts as one sample."""
    counts_C = positive_counts(facts)
    return (counts_C.max() / counts_C) ** gamma


@register
@dataclasses.dataclass(frozen=True)
class Cdt(Strategy):
    """l = -log(e^(z_y / a_y) / sum_c e^(z_c / a_c)), a_c = (max(n) / n_c)^gamma; prediction without a.

    Ye, Chen, Zhan, Chao, "Identifying and Compensating for Feature Deviation in Imbalanced Deep Learning", 2020,
    arXiv:2001.01385. `gamma` is at least 0. The paper chooses it per data set on held-out data; 0.2 is the value of the
    Bag of Tricks benchmark (Zhang et al., AAAI 2021) for CIFAR-10-LT at ratio 100. It holds the seat "prior": together
    with `logit-adjust` it would be `vs`, which does both under one name.

    Deviations: the paper's classifier has no bias; here the backbone's own classifier is kept, and its bias is divided
    with the rest of the logit. A class without samples counts as one sample.
    """

    name = "cdt"
    summary = "train with logits divided by a temperature that grows with rarity"
    seats = frozenset({"prior"})
    ranges = {"gamma": "[0, inf)"}

    gamma: float = 0.2

    def space(self) -> Space:
        """Gamma up to 0.5, where the rarest class of a ratio of 100 has a tenth of the temperature."""
        return {"gamma": Real(0.05, 0.5)}

    def train_logits(self, outputs: Outputs, batch: Batch, step: Step) -> Tensor:
        """Return z / a, [B, C]."""
        return outputs.logits_BC / step.constant(temperatures_C(step.facts, self.gamma), outputs.logits_BC)
